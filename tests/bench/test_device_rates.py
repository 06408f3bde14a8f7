"""A device's limits are measured, not assumed."""

import pytest
import torch

from octavo.bench.device_rates import best_of, measure_rates, median_seconds, seconds
from octavo.bench.roofline import Rates


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_reading_copying_and_multiplying_take_some_time(
    small_rates: None, cpu: torch.device, dtype: torch.dtype
) -> None:
    rates = measure_rates(cpu, dtype)
    assert rates.read >= rates.copy / 2 > 0
    assert rates.matrix > 0


def test_calls_before_the_clock_are_not_counted(cpu: torch.device) -> None:
    calls: list[int] = []
    assert len(seconds(lambda: calls.append(1), cpu, repeats=5)) == 5
    assert len(calls) == 7
    assert median_seconds(lambda: sum(range(10_000)), cpu) > 0


def test_the_best_of_two_moments_counts() -> None:
    one, other = Rates(read=1.0, copy=4.0, matrix=3.0), Rates(read=2.0, copy=3.0, matrix=3.0)
    assert best_of(one, other) == Rates(read=2.0, copy=4.0, matrix=3.0)
