"""Requests arrive as often as asked, at moments that look drawn."""

import math

import numpy as np
import pytest

from octavo.client.arrivals import draw_arrivals
from octavo.errors import RequestError


def drawn(count: int, rate: float, burstiness: float = 1.0, seed: int = 0) -> list[float]:
    return draw_arrivals(count, rate, burstiness=burstiness, generator=np.random.default_rng(seed))


def test_infinitely_many_a_second_are_all_at_once() -> None:
    assert drawn(5, math.inf) == [0.0] * 5


def test_arrivals_take_as_long_as_their_rate_says() -> None:
    moments = drawn(1000, 50.0)
    assert moments[0] == 0.0
    assert moments == sorted(moments)
    assert 1000 / 50 * 0.98 < moments[-1] <= 1000 / 50


@pytest.mark.parametrize(("burstiness", "spread"), [(1.0, 1.0), (0.25, 2.0), (100.0, 0.1)])
def test_gaps_spread_as_burstiness_says(burstiness: float, spread: float) -> None:
    gaps = np.diff(drawn(20_000, 10.0, burstiness))
    # A gamma variable of shape k has a standard deviation of mean / sqrt(k).
    assert gaps.std() / gaps.mean() == pytest.approx(spread, rel=0.05)


def test_the_same_seed_draws_the_same() -> None:
    assert drawn(10, 1.0) == drawn(10, 1.0) != drawn(10, 1.0, seed=1)


@pytest.mark.parametrize(
    ("rate", "burstiness"), [(0.0, 1.0), (-1.0, 1.0), (math.nan, 1.0), (1.0, 0.0), (1.0, math.inf)]
)
def test_what_cannot_be_is_refused(rate: float, burstiness: float) -> None:
    with pytest.raises(RequestError, match="want"):
        drawn(3, rate, burstiness)
