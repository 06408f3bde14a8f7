"""Paths through the layers are counted exactly, however many layers there are."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.paths import distinct_paths, paths
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, uniform


def measures(rows: list[dict[str, Any]], result: str = "value") -> dict[str, Any]:
    return {each["measure"]: each[result] for each in rows if each["measure"] != "path"}


HAND = MemoryTrace([document([[(0, 1), (2, 3)]] * 6 + [[(0, 2), (4, 3)]] * 2)])


def test_paths_are_those_of_first_choices() -> None:
    rows = paths(HAND)
    assert measures(rows) == {"distinct": 2.0, "entropy": pytest.approx(0.8113, abs=1e-4)}
    top = [each for each in rows if each["measure"] == "path"]
    assert [(each["path"], each["rank"], each["value"]) for each in top] == [("0-2", 0, 0.75), ("0-4", 1, 0.25)]
    assert top[0]["null_marginal"] == pytest.approx(0.75)
    assert top[0]["null_uniform"] == pytest.approx(1 / 64)


def test_independent_layers_have_as_many_paths_as_their_null() -> None:
    rows = paths(MemoryTrace([uniform(3000, num_layers=3)]), top=0)
    assert measures(rows)["distinct"] == pytest.approx(measures(rows, "null_marginal")["distinct"], rel=0.03)
    assert measures(rows)["entropy"] == pytest.approx(measures(rows, "null_marginal")["entropy"], abs=0.03)


def test_layers_that_copy_have_fewer_than_their_null() -> None:
    routed = uniform(3000)
    copied = document(np.repeat(routed.expert_TLK, 3, axis=1).tolist())
    rows = paths(MemoryTrace([copied]), top=0)
    assert measures(rows) == {"distinct": 8.0, "entropy": pytest.approx(3.0, abs=0.01)}
    assert measures(rows, "null_marginal")["distinct"] > 400


@pytest.mark.parametrize("num_layers", [1, 20, 21, 32, 58])
def test_long_paths_are_told_apart_exactly(num_layers: int) -> None:
    rng = np.random.default_rng(0)
    kinds = rng.integers(8, size=(40, num_layers)).astype(np.uint8)
    kinds[1] = kinds[0]
    kinds[1, -1] = (kinds[0, -1] + 1) % 8
    first_LT = kinds[rng.integers(40, size=500)].T
    where_P, count_P = distinct_paths(first_LT, 8)
    wanted, counts = np.unique(first_LT.T, axis=0, return_counts=True)
    assert sorted(count_P.tolist()) == sorted(counts.tolist())
    assert {tuple(first_LT[:, place]) for place in where_P} == {tuple(each) for each in wanted}


def test_a_part_of_the_layers_can_be_walked() -> None:
    rows = paths(HAND, selection=Selection(layers=(0,)))
    assert measures(rows)["distinct"] == 1.0
    assert {each["layers"] for each in rows} == {1}


def test_nothing_counted_has_no_value() -> None:
    rows = paths(MemoryTrace([constant(3, flags=[4, 4, 4])]))
    assert [(each["value"], each["n"]) for each in rows] == [(None, 0), (None, 0)]
    with pytest.raises(TraceError, match="want 0 or more"):
        paths(HAND, top=-1)
