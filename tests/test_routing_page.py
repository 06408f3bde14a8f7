"""The page on octavo-mini's routing says what was measured, of the model that is shipped."""

import json
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "routing"
PAGE = ROOT / "docs" / "octavo-mini-routing.md"
sys.path.insert(0, str(ROOT / "benchmarks"))

from mini_routing import FIGURES, page  # noqa: E402
from routing_tables import rows_of  # noqa: E402


def text() -> str:
    return PAGE.read_text(encoding="utf-8")


def test_the_tables_are_those_that_the_results_give() -> None:
    assert text() == page(text()), "run python benchmarks/mini_routing.py"


def test_the_pictures_are_there_and_small() -> None:
    sizes = {name: (ROOT / "docs" / "routing" / f"{name}.png").stat().st_size for name in FIGURES}
    assert sum(sizes.values()) < 300_000
    assert all(f"routing/{name}.png" in text() for name in sizes)


def test_the_results_say_where_they_come_from() -> None:
    about = json.loads((RESULTS / "about.json").read_text())
    assert re.fullmatch(r"[0-9a-f]{40}", about["provenance"]["commit"]) and about["provenance"]["torch"]
    assert about["tokens"] == sum(each["tokens"] for each in about["domains"].values()) > 900_000
    assert len(about["inputs"]) == 14


def test_every_kept_row_has_its_chance_or_its_interval() -> None:
    for kept in ("shares", "repetition", "distances", "load"):
        for each in rows_of(kept):
            assert each["n"] > 0 and (each["null_uniform"] is not None or each["lo"] is not None)


@pytest.mark.parametrize(
    ("claim", "holds"),
    [
        ("two domains are ten to seventy times as far apart", lambda: 10 < _apart(7) < _apart(0) < 70),
        ("of 200 relabelings of their documents none reached", lambda: _about()["greatest_p"] <= 1 / 200),
        (
            "up to 96 % here",
            lambda: 0.955 < max(e["null_marginal"] for e in rows_of("repetition", choice="first")) < 0.965,
        ),
        ("farther apart than French and German in seven of eight layers", lambda: _farther() == 7),
        ("a median of 0.08 and 0.23", lambda: (_kappa(0), _kappa(3)) == (0.08, 0.23)),
        ("finds 64 to 89 % of what is asked for", lambda: _cache() == (64, 89)),
    ],
)
def test_a_claim_follows_from_the_results(claim: str, holds: "object") -> None:
    assert claim in re.sub(r"\s+", " ", text())
    assert callable(holds) and holds()


def _about() -> dict[str, float]:
    found: dict[str, float] = json.loads((RESULTS / "about.json").read_text())["relabelings"]
    return found


def _bits(one: str, other: str, layer: int) -> float:
    (found,) = (e for e in rows_of("distances", layer=layer) if {e["domain"], e["other"]} == {one, other})
    return float(found["value"])


def _apart(layer: int) -> float:
    """Mathematics and code here, over arXiv and GitHub in Mixtral's first layer and its last that was counted."""
    return _bits("math_latex", "source_code", layer) / {0: 0.00056, 7: 0.0054}[layer]


def _farther() -> int:
    return sum(_bits("gutenberg", "source_code", each) > _bits("french", "german", each) for each in range(8))


def _kappa(layer: int) -> float:
    values = sorted(each["value"] for each in rows_of("kappa", choice="first", layer=layer))
    return round((values[6] + values[7]) / 2, 2)


def _cache() -> tuple[int, int]:
    medians = []
    for layer in range(8):
        values = sorted(each["value"] for each in rows_of("cache", layer=layer, capacity=4))
        medians.append((values[6] + values[7]) / 2)
    return round(100 * min(medians)), round(100 * max(medians))
