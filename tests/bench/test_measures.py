"""What is measured has as many seconds as were asked for, and a roofline of what the run itself touched."""

from dataclasses import replace

import pytest

from octavo.bench.measures import (
    Task,
    Timed,
    layer_flop,
    measure_decode,
    measure_layer,
    measure_prefill,
    measure_throughput,
    turns_of,
)
from octavo.bench.roofline import Cost, Rates, Widths, step_cost
from octavo.bench.subject import make_model
from octavo.config import mixtral_8x7b
from octavo.engine.config import EngineConfig
from tests.bench.conftest import MakeSubject

RATES = Rates(read=1e10, copy=1e10, matrix=1e11)
FP32 = Widths.of("float32")
TASK = Task(batch=3, context=60, steps=5)


def model_of(subject: MakeSubject):
    return make_model(subject(), EngineConfig(num_pages=2))


@pytest.mark.parametrize("telemetry", ["on", "off"])
def test_decoding_counts_a_token_of_every_sequence_a_step(subject: MakeSubject, tiny, telemetry) -> None:
    told: list[int] = []
    timed = measure_decode(model_of(subject), FP32, replace(TASK, telemetry=telemetry), told.append)
    assert len(timed.seconds) == 5
    assert told == [1, 2, 3, 4, 5]
    assert timed.tokens == 3
    assert timed.touched is not None
    assert 2 <= timed.touched <= 6
    cost = step_cost(tiny, FP32, [(59, 1)] * 3, heads=3, touched=timed.touched)
    assert timed.roofline(RATES) == 3 / cost.seconds(RATES)


def test_prompts_are_read_anew_each_time(subject: MakeSubject) -> None:
    timed = measure_prefill(model_of(subject), FP32, TASK, lambda done: None)
    assert len(timed.seconds) == 5
    assert timed.tokens == 3 * 60
    assert timed.touched is not None


def test_throughput_counts_what_was_written(subject: MakeSubject) -> None:
    timed = measure_throughput(model_of(subject), FP32, TASK, lambda done: None, repeats=2)
    assert len(timed.seconds) == 2
    assert timed.tokens == 3 * 5
    assert len(timed.costs) == 5
    assert timed.roofline(RATES) > 0


def test_a_layer_is_measured_by_itself(subject: MakeSubject) -> None:
    timed = measure_layer(model_of(subject), FP32, TASK, lambda done: None)
    assert len(timed.seconds) == 5
    assert timed.touched is not None
    assert 2 <= timed.touched <= 6


def test_speed_is_by_the_median() -> None:
    costs = (Cost(bytes=5e9, flop=0.0), Cost(bytes=0.0, flop=5e10))
    timed = Timed(seconds=(1.0, 2.0, 9.0), tokens=10, costs=costs, touched=None)
    assert (timed.speed, timed.roofline(RATES)) == (5.0, 10.0)


def test_layers_of_mixtral_need_no_turns_and_small_ones_do(tiny) -> None:
    assert turns_of(mixtral_8x7b(), 2) == 1
    assert turns_of(tiny, 4) == tiny.num_layers


def test_operations_of_a_layer_are_those_of_the_chosen_experts() -> None:
    assert layer_flop(mixtral_8x7b(), 10) == 10 * 2 * (2 * 3 * 4096 * 14336 + 4096 * 8)
