"""What the tour counts."""

import numpy as np

from octavo.cli.samples import SAMPLES, count_assignments


def test_assignments_are_counted_by_layer_and_nobody_is_not_an_expert() -> None:
    count_LE = np.zeros((2, 3), dtype=np.int64)
    count_assignments(count_LE, np.array([[[0, 1], [2, 1]], [[0, 2], [2, 0]], [[-1, -1], [-1, -1]]], dtype=np.int16))
    assert count_LE.tolist() == [[2, 1, 1], [1, 1, 2]]


def test_the_samples_are_of_different_kinds() -> None:
    assert len({sample.title for sample in SAMPLES}) == len(SAMPLES) == 4
    assert sum(sample.question for sample in SAMPLES) == 1
