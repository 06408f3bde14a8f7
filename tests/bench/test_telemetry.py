"""Steps with telemetry and without take turns, and differ in nothing else."""

import numpy as np
import pytest

from octavo.bench.driving import decode_limits, start_decoding
from octavo.bench.measures import Task
from octavo.bench.subject import make_model
from octavo.bench.telemetry import Paired, Switch, measure_telemetry, median_interval
from octavo.engine.config import EngineConfig
from tests.bench.conftest import MakeSubject


def test_as_many_steps_of_both_kinds_are_timed(subject: MakeSubject) -> None:
    model = make_model(subject(), EngineConfig(num_pages=2))
    told: list[int] = []
    paired = measure_telemetry(model, Task(batch=2, context=50, steps=12), told.append)
    assert len(paired.with_it) == len(paired.without) == 12
    assert told[-1] == 12
    assert paired.touched is not None
    low, high = paired.interval
    assert low <= paired.ratio <= high
    assert "in 12 pairs" in paired.text


def test_only_steps_with_it_say_how_tokens_were_routed(subject: MakeSubject) -> None:
    found = subject()
    limits = decode_limits(found.config, batch=2, context=40, steps=10)
    drive = start_decoding(make_model(found, limits), limits, length=35, steps=10, telemetry="on", seed=0)
    switch = Switch(drive)
    for on in (True, False, True):
        switch.turn(on=on)
        before = len(drive.kept)
        drive.step()
        assert len(drive.kept) - before == (2 if on else 0)


def test_the_median_of_pairs_is_not_moved_by_a_slow_moment() -> None:
    paired = Paired(with_it=(1.02, 1.02, 50.0), without=(1.0, 1.0, 1.0), touched=None)
    assert paired.ratio == 1.02


@pytest.mark.parametrize("many", [10, 50, 200])
def test_the_interval_holds_the_median_as_often_as_it_says(many: int) -> None:
    generator = np.random.default_rng(many)
    trials = 400
    held = 0
    for _ in range(trials):
        low, high = median_interval(generator.lognormal(size=many).tolist())
        held += low <= 1.0 <= high
    assert 0.92 <= held / trials <= 1.0
