"""A figure is saved in the form that its name asks for, the same bytes each time."""

import importlib
from pathlib import Path
from typing import Any

import pytest

from octavo.analysis.figures.figure import SUFFIXES, Figure, in_order, middle_layers, percent, pick, tokens_counted
from octavo.analysis.statistics.rows import row
from octavo.errors import TraceError

ROWS = [row(domain=domain, layer=layer, value=0.5, n=10 + layer) for domain in ("b", "a") for layer in (0, 1)]


def drawn(sheet: Any) -> None:
    axes = sheet.subplots()
    axes.plot([0, 1], [0, 1], label="$not^math_a")
    axes.set_title("50% of $x and $y")
    axes.legend()


def figure() -> Figure:
    return Figure(name="x", title="A title", caption="What was counted. " * 20, rows=ROWS, draw=drawn)


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_the_same_figure_is_the_same_bytes(tmp_path: Path, suffix: str) -> None:
    for name in ("one", "two"):
        figure().save(tmp_path / f"{name}{suffix}")
    one, two = ((tmp_path / f"{name}{suffix}").read_bytes() for name in ("one", "two"))
    assert one == two and len(one) > 100
    assert not any(each in one for each in (b"dc:date", b"CreationDate", b"Matplotlib", b"tEXt"))


def test_names_are_text_and_no_formulas(tmp_path: Path) -> None:
    figure().save(tmp_path / "x.svg")
    text = (tmp_path / "x.svg").read_text()
    assert "$not^math_a" in text and "50% of $x and $y" in text


def test_another_ending_and_a_place_that_is_not_there_are_one_line(tmp_path: Path) -> None:
    with pytest.raises(
        TraceError, match=r"x\.gif ends in \.gif: want one of \.png, \.svg, \.pdf, \.csv, \.json, \.tex"
    ):
        figure().save(tmp_path / "x.gif")
    with pytest.raises(TraceError, match="ends in nothing"):
        figure().save(tmp_path / "x")
    for suffix in SUFFIXES:
        with pytest.raises(TraceError, match="cannot be written"):
            figure().save(tmp_path / "nowhere" / f"x{suffix}")


def test_without_matplotlib_tables_are_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", missing)
    with pytest.raises(TraceError, match=r"pip install 'octavo\[analyze\]'"):
        figure().save(tmp_path / "x.png")
    figure().save(tmp_path / "x.csv")


def test_rows_are_picked_and_told_of() -> None:
    assert pick(ROWS, domain="a", layer=1) == [ROWS[3]]
    assert in_order(ROWS, "domain") == ["b", "a"]
    assert tokens_counted(ROWS) == "10 to 11 tokens" and tokens_counted(ROWS[:1], "pairs") == "10 pairs"
    assert tokens_counted([]) == "no tokens"
    assert percent(0.46428) == "46.4" and percent(None) == "–"


def test_the_middle_layers_are_the_papers() -> None:
    assert middle_layers(range(32)) == (0, 15, 31)
    assert middle_layers(range(8)) == (0, 3, 7)
    assert middle_layers((4,)) == (4,)
    assert middle_layers((1, 2)) == (1, 2)
