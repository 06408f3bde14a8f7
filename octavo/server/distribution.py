"""Distribution: a histogram that is cheap to add to, in the form that Prometheus asks for.

count(le b) = how many values were at most b, for each bound b, and for all
"""

from bisect import bisect_left
from itertools import accumulate

from prometheus_client.utils import floatToGoString


class Distribution:
    """How many values fell between ``bounds``, which rise, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.total = 0.0
        self._counts = [0] * (len(bounds) + 1)

    def add(self, value: float, times: int = 1) -> None:
        """Counts a value, ``times`` times."""
        self._counts[bisect_left(self.bounds, value)] += times
        self.total += value * times

    @property
    def count(self) -> int:
        """How many values were counted."""
        return sum(self._counts)

    def buckets(self) -> list[tuple[str, float]]:
        """Each bound as text with how many values were at most that; the last is +Inf."""
        names = [*map(floatToGoString, self.bounds), "+Inf"]
        return list(zip(names, map(float, accumulate(self._counts)), strict=True))
