"""Histograms and whole sums of how sure the router was."""

import math

import numpy as np
import pytest

from octavo.analysis.accumulators.confidence import count_confidence, histograms
from octavo.analysis.accumulators.contents import BINS, UNITS
from tests.analysis.synthetic import chunk_of, document


def counts_of(logits: list[list[float]]) -> dict[str, np.ndarray]:
    routes = [(0, 1)] * len(logits)
    weights = np.full((len(logits), 1, 2), 0.5, np.float32)
    made = document(routes, logits_TLE=np.array(logits, np.float32)[:, None], weight_TLK=weights)
    return count_confidence(chunk_of([made]), np.ones(len(logits), bool))


def test_a_router_that_knows_nothing() -> None:
    found = counts_of([[0.0] * 8] * 3)
    assert found["entropy"][0, -1] == 3
    assert found["margin"][0, 0] == 3
    assert found["weight"][0, BINS // 2] == 3
    assert found["probability"][0].tolist() == [3 * UNITS // 8] * 8
    assert found["z_squared"][0] / UNITS / 3 == pytest.approx(math.log(8) ** 2, abs=1e-6)
    assert (found["confidence"][0] / UNITS / 3).tolist() == pytest.approx([0.5, 0, 1], abs=1e-6)


def test_a_router_that_is_sure() -> None:
    found = counts_of([[400.0] + [0.0] * 7])
    assert found["entropy"][0, 0] == 1
    assert found["margin"][0, -1] == 1
    assert found["probability"][0].tolist() == [UNITS] + [0] * 7


def test_no_rows_are_no_counts() -> None:
    made = document([(0, 1)], logits_TLE=np.zeros((1, 1, 8), np.float32))
    found = count_confidence(chunk_of([made]), np.zeros(1, bool))
    assert {name: int(table.sum()) for name, table in found.items()} == dict.fromkeys(found, 0)


def test_the_last_bin_holds_its_upper_end() -> None:
    assert np.flatnonzero(histograms(np.array([[0.0, 1.0, 0.5]]))[0]).tolist() == [0, BINS // 2, BINS - 1]
