"""Balance from counts alone: the known answers."""

import numpy as np
import pytest

from octavo.analysis.statistics import balance

EVEN_LKE = np.full((4, 2, 8), 50)


def collapsed(*pairs: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Counts and probabilities of layers that each always choose one pair."""
    rank_LKE, probability_LE = np.zeros((len(pairs), 2, 8), int), np.zeros((len(pairs), 8))
    for layer, pair in enumerate(pairs):
        for rank, expert in enumerate(pair):
            rank_LKE[layer, rank, expert] = 100
            probability_LE[layer, expert] = 50
    return rank_LKE, probability_LE


def test_even_loads_violate_nothing() -> None:
    load_LE = EVEN_LKE.sum(axis=1)
    for measure in (balance.max_violation, balance.variation, balance.gini):
        assert measure(load_LE).tolist() == pytest.approx([0] * 4)
    assert balance.balance_loss(load_LE, load_LE).tolist() == pytest.approx([1] * 4)
    assert balance.pooled_balance_loss(EVEN_LKE, load_LE) == pytest.approx(2)


def test_a_collapse_is_seen_layer_by_layer_and_not_when_pooled() -> None:
    rank_LKE, probability_LE = collapsed((0, 1), (2, 3), (4, 5), (6, 7))
    assert balance.balance_loss(rank_LKE.sum(axis=1), probability_LE).tolist() == pytest.approx([4] * 4)
    assert balance.pooled_balance_loss(rank_LKE, probability_LE) == pytest.approx(2)
    assert balance.max_violation(rank_LKE.sum(axis=1)).tolist() == pytest.approx([3] * 4)


def test_a_total_collapse_is_the_number_of_experts_in_the_pooled_scale() -> None:
    assert balance.pooled_balance_loss(*collapsed((0, 1), (0, 1))) == pytest.approx(8)


def test_measures_by_hand() -> None:
    load_E = np.array([1, 2, 3, 6])
    assert balance.max_violation(load_E) == pytest.approx(1)
    assert balance.variation(load_E) == pytest.approx(np.sqrt(3.5) / 3)
    differences = np.abs(load_E[:, None] - load_E).sum()
    assert balance.gini(load_E) == pytest.approx(differences / (2 * 4 * 12))


def test_nothing_counted_is_no_number() -> None:
    for measure in (balance.max_violation, balance.variation, balance.gini):
        assert np.isnan(measure(np.zeros(4, int)))
