"""What telemetry costs: the same sequences step by step with it and without it, in turns, in one process.

    cost = median over pairs of (seconds with it / seconds without it) − 1

The interval is that of the median's order statistics, which supposes nothing of how the ratios are spread.
"""

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from octavo.bench.driving import Drive, decode_limits, first_length, start_decoding
from octavo.bench.measures import MOST_LOOKED_AT, WARM_STEPS, Task, Tell
from octavo.model import Transformer

# Half of a pair's steps come first in every other pair, so that a machine that slows down slows down both.
ONE, OTHER = (True, False), (False, True)
NORMAL_95 = 1.959964


@dataclass(frozen=True, slots=True, kw_only=True)
class Paired:
    """Seconds of each step with telemetry and of its partner without."""

    with_it: tuple[float, ...]
    without: tuple[float, ...]
    touched: float | None

    @property
    def ratios(self) -> tuple[float, ...]:
        """With it over without, pair by pair."""
        return tuple(a / b for a, b in zip(self.with_it, self.without, strict=True))

    @property
    def ratio(self) -> float:
        """Their median."""
        return statistics.median(self.ratios)

    @property
    def interval(self) -> tuple[float, float]:
        """Between which two ratios the median is with 95 % confidence."""
        return median_interval(self.ratios)

    @property
    def text(self) -> str:
        """All of it in one line."""
        low, high = self.interval
        whole = sum(self.with_it) / sum(self.without)
        return f"on/off {self.ratio:.4f} [{low:.4f}, {high:.4f}] in {len(self.ratios)} pairs, of the sums {whole:.4f}"


def median_interval(values: Sequence[float]) -> tuple[float, float]:
    """The order statistics between which the median is with 95 % confidence, by the binomial's normal approximation.

    Conover, Practical Nonparametric Statistics, section 3.2.
    """
    ordered, many = sorted(values), len(values)
    reach = NORMAL_95 * many**0.5 / 2
    # Ranks count from 1; rounding them outwards keeps the promise for few values too.
    low, high = math.floor(many / 2 - reach), math.ceil(many / 2 + reach + 1)
    return ordered[max(1, low) - 1], ordered[min(many, high) - 1]


def measure_telemetry(model: Transformer, task: Task, tell: Tell) -> Paired:
    """Times ``steps`` decoding steps with telemetry and as many without, in turns.

    What was kept of the routing is laid out at the end, and its time is every recorded step's.
    """
    looked = min(task.steps, MOST_LOOKED_AT)
    before, timed = looked + 2 * WARM_STEPS, 2 * task.steps
    limits = decode_limits(model.config, batch=task.batch, context=task.context, steps=timed)
    length = first_length(task.context, timed, before=before)
    drive = start_decoding(model, limits, length=length, steps=before + timed, telemetry="on", seed=task.seed)
    drive.look(looked)
    switch = Switch(drive)
    found: dict[bool, list[float]] = {True: [], False: []}
    for pair in range(-WARM_STEPS, task.steps):
        if pair == 0:
            drive.take_routing()
        for on in ONE if pair % 2 else OTHER:
            switch.turn(on=on)
            took = drive.timed_step()
            if pair >= 0:
                found[on].append(took)
        tell(max(0, pair + 1))
    kept = drive.take_routing() / task.steps
    return Paired(
        with_it=tuple(each + kept for each in found[True]), without=tuple(found[False]), touched=drive.looking.touched
    )


class Switch:
    """Turns telemetry on and off for requests under way, as no caller can: nothing else of the steps differs."""

    def __init__(self, drive: Drive) -> None:
        groups = [sequence.group for sequence in drive.engine.scheduler.running]
        self._requests = [
            (group, {on: replace(group.request, params=replace(group.request.params, routing=on)) for on in ONE})
            for group in groups
        ]

    def turn(self, *, on: bool) -> None:
        """Lets the steps from here on say how tokens are routed, or not."""
        for group, request in self._requests:
            group.request = request[on]
