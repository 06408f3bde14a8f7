"""Live routing statistics are the statistics of the analysis, since the start and over a window that moves on."""

import math

import numpy as np
import pytest

from octavo.server.backend.service import ServiceLoad, StepReport
from octavo.server.telemetry.routing_stats import RoutingStats


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def step(count_LE: list[list[int]] | None, tokens: int = 0) -> StepReport:
    return StepReport(
        seconds=0.01,
        tokens_read=tokens,
        prompt_tokens=0,
        tokens_chosen=0,
        num_sequences=1,
        started=(),
        expert_count_LE=None if count_LE is None else np.array(count_LE, np.int64),
        load=ServiceLoad(),
    )


def test_the_measures_are_those_of_the_paper_and_their_sources() -> None:
    stats = RoutingStats()
    stats.add(step([[4, 4, 4, 4], [8, 8, 0, 0]], tokens=8))
    even, half = stats.since_start()
    assert (even.layer, even.tokens, even.expert_share) == (0, 8, (0.25,) * 4)
    assert (even.entropy_bits, even.max_violation, even.cv) == (2.0, 0.0, 0.0)
    assert (half.entropy_bits, half.max_violation, half.cv) == (1.0, 1.0, 1.0)


def test_layers_are_told_before_the_first_step_where_their_number_is_known() -> None:
    layers = RoutingStats((2, 4)).wire()["since_start"]["layers"]
    assert [(layer["tokens"], layer["expert_share"]) for layer in layers] == [(0, [0.0] * 4)] * 2
    assert layers[0]["entropy_bits"] is None


def test_entropy_agrees_with_its_definition() -> None:
    stats = RoutingStats()
    stats.add(step([[5, 2, 0, 1]], tokens=4))
    share = [count / 8 for count in (5, 2, 1)]
    (layer,) = stats.since_start()
    assert layer.entropy_bits == pytest.approx(-sum(p * math.log2(p) for p in share))


def test_the_window_forgets_what_the_start_remembers() -> None:
    clock = Clock()
    stats = RoutingStats(window_seconds=10, clock=clock)
    stats.add(step([[2, 0]], tokens=1))
    clock.now += 9
    stats.add(step([[0, 2]], tokens=1))
    assert stats.of_late()[0].expert_share == (0.5, 0.5)
    clock.now += 1
    assert stats.of_late()[0].expert_share == (0.0, 1.0)
    assert stats.since_start()[0].expert_share == (0.5, 0.5)
    clock.now += 100
    assert stats.since_start()[0].tokens == 2


def test_a_slot_of_the_window_is_empty_when_its_turn_comes_again() -> None:
    clock = Clock()
    stats = RoutingStats(window_seconds=2, clock=clock)
    stats.add(step([[2, 0]], tokens=1))
    clock.now += 2
    stats.add(step([[0, 2]], tokens=1))
    (layer,) = stats.of_late()
    assert (layer.tokens, layer.expert_share) == (1, (0.0, 1.0))


def test_where_nothing_was_counted_there_is_no_measure() -> None:
    clock = Clock()
    stats = RoutingStats(window_seconds=10, clock=clock)
    assert stats.wire() == {"since_start": {"layers": []}, "window": {"seconds": 10, "layers": []}}
    stats.add(step([[2, 0]], tokens=1))
    clock.now += 60
    (layer,) = stats.of_late()
    assert (layer.tokens, layer.expert_share) == (0, (0.0, 0.0))
    assert layer.entropy_bits is layer.max_violation is layer.cv is None


def test_a_dense_model_has_no_layers_to_tell_of() -> None:
    stats = RoutingStats()
    stats.add(step(None, tokens=5))
    assert stats.since_start() == []


def test_another_model_begins_anew() -> None:
    stats = RoutingStats()
    stats.add(step([[2, 0]], tokens=1))
    stats.add(step([[1, 1], [2, 0]], tokens=1))
    assert [(each.tokens, each.expert_share) for each in stats.since_start()] == [(1, (0.5, 0.5)), (1, (1.0, 0.0))]


def test_the_wire_says_what_the_page_reads() -> None:
    stats = RoutingStats()
    stats.add(step([[3, 1]], tokens=2))
    (layer,) = stats.wire()["window"]["layers"]
    assert set(layer) == {"layer", "tokens", "expert_share", "entropy_bits", "max_violation", "cv"}
    assert (layer["layer"], layer["tokens"], layer["expert_share"]) == (0, 2, [0.75, 0.25])
