"""Entropies are those of the book, and what chance gives is taken off without taking off what is known."""

import math

import numpy as np
import pytest

from octavo.analysis.statistics.information import (
    adjusted,
    conditional_entropy,
    entropy,
    jackknife_spread,
    mutual_information,
    n_log_n,
)


def test_entropy_of_even_counts_is_the_logarithm_of_their_number() -> None:
    assert entropy(np.full(8, 5)) == pytest.approx(3.0)
    assert entropy(np.array([7, 0, 0])) == 0.0
    assert math.isnan(entropy(np.zeros(3, int)))


def test_miller_madow_takes_off_most_of_the_bias_of_a_small_sample() -> None:
    rng = np.random.default_rng(0)
    samples = rng.multinomial(40, np.full(8, 1 / 8), size=400)
    plain = np.mean([entropy(each) for each in samples])
    mended = np.mean([entropy(each, miller_madow=True) for each in samples])
    assert 3.0 - plain > 0.1
    assert abs(3.0 - mended) < 0.02


def test_a_copy_tells_everything_and_an_independent_draw_nothing() -> None:
    counts = np.array([5, 3, 2, 6])
    for miller_madow in (False, True):
        assert mutual_information(np.diag(counts), miller_madow=miller_madow) == pytest.approx(
            entropy(counts, miller_madow=miller_madow)
        )
    assert mutual_information(np.outer(counts, [4, 8])) == pytest.approx(0.0, abs=1e-12)


def test_conditional_entropy_is_what_is_left() -> None:
    table = np.array([[4, 0], [2, 2]])
    assert conditional_entropy(table) == pytest.approx(0.5)
    assert math.isnan(conditional_entropy(np.zeros((2, 2), int)))
    assert n_log_n(np.array([0, 1, 4])) == pytest.approx(8.0)


def test_adjusted_information_is_nothing_at_chance_and_everything_at_most() -> None:
    assert adjusted(0.4, 0.4, 2.0) == 0.0
    assert adjusted(2.0, 0.4, 2.0) == pytest.approx(2.0)
    assert adjusted(0.0, 0.0, 0.0) == 0.0


def test_the_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(1).normal(size=30)
    without = (values.sum() - values) / 29
    spread = jackknife_spread(without[:, None])[0]
    assert spread == pytest.approx(values.std(ddof=1) / math.sqrt(30))
