"""From flags to a statistic, and from its rows to a table."""

from collections.abc import Sequence
from typing import Any

import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics import CATALOGUE, Intervals, Row, Selection, Statistic
from octavo.analysis.statistics.rows import row
from octavo.cli import measuring
from octavo.cli.screen import open_screen
from octavo.errors import RequestError, TraceError
from tests.analysis.synthetic import MemoryTrace, constant, period_two

TRACE = MemoryTrace([constant(4, domain="a"), period_two(5, domain="b")])


def spied(
    source: Any,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    names: Sequence[str] | None = None,
    sizes: Sequence[int] = (1,),
    share: float = 0.5,
    most: int | None = None,
    sure: bool = False,
    seed: int = 7,
) -> list[Row]:
    return [{"names": names, "sizes": sizes, "share": share, "most": most, "sure": sure, "seed": seed}]


@pytest.fixture
def spy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "spy", Statistic(function=spied, meaning="what it got"))


def measured(name: str, *options: str, flags: dict[str, Any] | None = None) -> list[Row]:
    return measuring.measure(
        [TRACE], name, selection=Selection(), intervals=None, flags=flags or {}, options=list(options)
    )


def test_options_are_read_as_the_statistic_types_them(spy: None) -> None:
    (found,) = measured("spy", "sizes=1,2", "share=0.25", "most=7", "sure=true", "names=x")
    assert found == {"names": ("x",), "sizes": (1, 2), "share": 0.25, "most": 7, "sure": True, "seed": 0}
    (found,) = measured("spy", flags={"names": ["x", "y"], "most": None})
    assert (found["names"], found["most"]) == (("x", "y"), None)


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("share=much", "share is 'much': want a number"),
        ("sure=yes", "sure is 'yes': want true or false"),
        ("share", "want NAME=VALUE"),
        ("sure-ly=1", "spy has no option 'sure_ly': it has names, sizes, share, most, sure, seed"),
    ],
)
def test_an_option_that_cannot_be_is_refused(spy: None, option: str, message: str) -> None:
    with pytest.raises(RequestError, match=message):
        measured("spy", option)


def test_one_value_is_not_several(spy: None) -> None:
    with pytest.raises(RequestError, match="spy takes one most, not 2"):
        measured("spy", flags={"most": ["1", "2"]})


def test_a_name_that_is_not_there_has_a_neighbour() -> None:
    with pytest.raises(RequestError, match="did you mean repetition"):
        measured("repetitions")


def test_two_traces_are_for_what_compares_them(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(RequestError, match="takes one trace"):
        measuring.measure([TRACE] * 2, "load", selection=Selection(), intervals=None, flags={}, options=[])
    monkeypatch.setitem(CATALOGUE, "spy", Statistic(function=spied, meaning="", traces=2))
    with pytest.raises(RequestError, match="name the second with --against"):
        measured("spy")


def test_what_a_trace_lacks_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CATALOGUE, "spy", Statistic(function=spied, meaning="", needs=frozenset({"logits"})))
    with pytest.raises(TraceError, match="it wants logits, which were not recorded"):
        measured("spy")
    lacking = {each["name"]: each["lacking"] for each in measuring.listing(TRACE)}
    assert lacking["load"] is None
    assert lacking["spy"] == "it wants logits, which were not recorded"


def test_what_is_the_same_in_all_rows_stands_above_them(capsys: pytest.CaptureFixture[str]) -> None:
    rows = [row(value=value, n=1234, domain="a\x1b", layer=0, lag=lag) for lag, value in ((1, 0.25), (2, None))]
    measuring.show(open_screen(), "repetition", rows)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "repetition, domain a\\x1b, layer 0"
    assert lines[1].split() == ["lag", "value", "n"]
    assert lines[3].split() == ["1", "0.2500", "1,234"]
    assert lines[4].split() == ["2", "–", "1,234"]


def test_counts_have_the_draws_they_were_made_with() -> None:
    counts = Accumulators.over(TRACE, contents=Contents(replicates=50, seed=3))
    assert measuring.intervals_of(counts, None, 0.9, 0) == Intervals(replicates=50, level=0.9, seed=3)
    assert measuring.intervals_of(counts, 0, 0.95, 5) is None
    for replicates, seed in ((1000, 0), (None, 5)):
        with pytest.raises(RequestError, match="these counts hold 50 replicates of seed 3"):
            measuring.intervals_of(counts, replicates, 0.95, seed)
    bare = Accumulators.over(TRACE)
    assert measuring.intervals_of(bare, None, 0.95, 0) is None
    with pytest.raises(RequestError, match="hold 0 replicates"):
        measuring.intervals_of(bare, 10, 0.95, 0)
    assert measuring.intervals_of(TRACE, None, 0.95, 5) == Intervals(seed=5)


def test_a_key_that_no_row_has_takes_no_column(capsys: pytest.CaptureFixture[str]) -> None:
    measuring.show(open_screen(), "x", [row(value=1.0, n=1, domain="a", expert=None)])
    assert capsys.readouterr().out.splitlines()[1].split() == ["domain", "value", "n"]


def test_no_rows_are_said(capsys: pytest.CaptureFixture[str]) -> None:
    measuring.show(open_screen(), "load", [])
    assert capsys.readouterr().out == "load: nothing was counted\n"
