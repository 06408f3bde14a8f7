"""A layer that copies another tells all of it, an independent one nothing."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.layer_information import layer_information
from tests.analysis.synthetic import MemoryTrace, document, random_choice


def trace() -> MemoryTrace:
    """Layer 1 copies layer 0 under other numbers, layer 2 is independent."""
    documents = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        first, other = random_choice(rng, (2000,), 8, 2), random_choice(rng, (2000,), 8, 2)
        first = np.where(first == 7, 6 - first[:, ::-1] % 7, first)
        first[:, 1] = (first[:, 0] + 1) % 8
        documents.append(document(np.stack([first, (first + 5) % 8, other], axis=1).tolist(), name=str(seed)))
    return MemoryTrace(documents)


def found(**options: Any) -> dict[tuple[int, int], dict[str, Any]]:
    return {(each["layer"], each["next_layer"]): each for each in layer_information(trace(), **options)}


def test_a_copy_has_the_information_of_its_entropy() -> None:
    rows = found()
    assert rows[0, 1]["value"] == pytest.approx(rows[0, 0]["value"])
    assert 2.0 < rows[0, 0]["value"] < 3.0
    assert rows[0, 0]["null_uniform"] == 3.0


def test_an_independent_layer_tells_nothing() -> None:
    rows = found()
    assert abs(rows[0, 2]["value"]) < 0.002
    assert rows[0, 2]["null_uniform"] == rows[0, 2]["null_marginal"] == 0.0
    assert rows[2, 2]["value"] == pytest.approx(3.0, abs=0.005)


def test_every_two_layers_have_a_row() -> None:
    assert sorted(found()) == [(0, 0), (0, 1), (0, 2), (1, 1), (1, 2), (2, 2)]
    assert {each["n"] for each in found().values()} == {12_000}


def test_intervals_hold_the_value_and_do_not_move_it() -> None:
    for pair, row in found(intervals=Intervals()).items():
        assert row["value"] == pytest.approx(found()[pair]["value"])
        assert row["lo"] < row["value"] < row["hi"]
    alone = MemoryTrace(trace().given[:1])
    assert {each["lo"] for each in layer_information(alone, intervals=Intervals())} == {None}
