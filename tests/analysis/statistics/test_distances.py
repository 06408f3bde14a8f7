"""Distances between counts: known answers."""

import numpy as np
import pytest

from octavo.analysis.statistics.distances import divergence, divergences, entropy


def test_entropies_of_known_counts() -> None:
    assert entropy(np.full(8, 3)) == pytest.approx(3)
    assert entropy(np.array([5, 0, 0])) == 0
    assert np.isnan(entropy(np.zeros(3, int)))


def test_identical_counts_are_no_distance_apart_and_disjoint_ones_a_bit() -> None:
    one, other = np.array([[3, 1, 0, 0], [2, 0, 2, 0]]), np.array([[6, 2, 0, 0], [0, 1, 0, 1]])
    assert divergence(one, other).tolist() == pytest.approx([0, 1])
    assert divergences(one, other)[1].tolist() == pytest.approx([0, 1])


def test_it_does_not_matter_which_comes_first_or_how_much_was_counted() -> None:
    one, other = np.array([5, 3, 2]), np.array([1, 1, 8])
    assert divergence(one, other) == pytest.approx(float(divergence(other * 7, one)))


def test_even_counts_leave_no_room() -> None:
    assert np.isnan(divergences(np.full(8, 2), np.full(8, 9))[1])
    assert np.isnan(divergence(np.zeros(3, int), np.ones(3, int)))
