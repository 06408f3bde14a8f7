"""Other orders of the same tokens, exactly and drawn at random."""

from dataclasses import replace

import numpy as np

from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.shuffling import ends_by_document, shuffled_repeats
from tests.analysis.synthetic import chunk_of, document, uniform


def test_ends_of_pairs_are_counted_twice_but_for_the_outer_ones() -> None:
    chunk = chunk_of([document([(0, 1), (2, 3), (4, 5)]), document([(6, 7)])])
    end_SLC = ends_by_document(chunk, Selection().pair_T(chunk), 1, RouteCoding(8, 2))
    assert end_SLC[0, 0, [1, 19, 37]].tolist() == [1, 2, 1]
    assert end_SLC[1].sum() == 0


def test_drawn_orders_come_near_the_exact_mean() -> None:
    chunk = chunk_of([uniform(2000, seed=seed) for seed in range(3)])
    coded, drawn = RouteCoding(8, 2), RouteCoding(17, 2)
    exact = shuffled_repeats(chunk, Selection(), (1, 2), coded)
    near = shuffled_repeats(replace(chunk, code_LT=None), Selection(), (1, 2), drawn)
    assert np.abs(exact - near).max() < 80
    # First choices are exact either way.
    np.testing.assert_allclose(exact[..., 0], near[..., 0])
