"""Measures: each times one thing that a model does, and says what it touched and the least that it could take."""

import itertools
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from octavo.bench import device_rates
from octavo.bench.driving import USUAL, Drive, Looking, Telemetry, decode_limits, first_length, start_decoding
from octavo.bench.roofline import Cost, Rates, Widths, layer_cost, step_cost
from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.model import Transformer

WARM_STEPS = 4
MOST_LOOKED_AT = 32
# Weights that take turns, so that no cache holds them, and the layers that there may be of them.
TURNS_BYTES, MOST_TURNS = 1 << 28, 32
Tell = Callable[[int], None]
"""Called with the number of steps done so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """Seconds of each repeat of something that brings forth ``tokens``, and what its steps cost at the least."""

    seconds: tuple[float, ...]
    tokens: float
    costs: tuple[Cost, ...]
    touched: float | None

    @property
    def speed(self) -> float:
        """Tokens a second, by the median."""
        return self.tokens / statistics.median(self.seconds)

    def roofline(self, rates: Rates) -> float:
        """Tokens a second at the most, on a device of these rates."""
        return self.tokens / sum(cost.seconds(rates) for cost in self.costs)


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What one figure is about: ``steps`` counts those that are timed, or the repeats."""

    batch: int
    context: int
    steps: int
    telemetry: Telemetry = "on"
    seed: int = 0
    max_num_batched_tokens: int = USUAL.max_num_batched_tokens


def measure_decode(model: Transformer, widths: Widths, task: Task, tell: Tell) -> Timed:
    """Times whole steps of the engine, each of them one token of every sequence.

    The sequences are ``context`` long in the middle of the timed steps. What routing is kept is laid out at the end,
    and its time is every step's.
    """
    config = model.config
    looked = min(task.steps, MOST_LOOKED_AT)
    before = WARM_STEPS + looked
    limits = decode_limits(config, batch=task.batch, context=task.context, steps=task.steps)
    length = first_length(task.context, task.steps, before=before)
    steps = before + task.steps
    drive = start_decoding(model, limits, length=length, steps=steps, telemetry=task.telemetry, seed=task.seed)
    for _ in range(WARM_STEPS):
        drive.step()
    drive.look(looked)
    drive.take_routing()
    found = []
    for number in range(task.steps):
        found.append(drive.timed_step())
        tell(number + 1)
    kept = drive.take_routing() / task.steps
    cost = step_cost(
        config, widths, [(task.context - 1, 1)] * task.batch, heads=task.batch, touched=drive.looking.touched
    )
    return Timed(
        seconds=tuple(each + kept for each in found),
        tokens=task.batch,
        costs=(cost,),
        touched=drive.looking.touched,
    )


def measure_prefill(model: Transformer, widths: Widths, task: Task, tell: Tell) -> Timed:
    """Times the reading of prompts that were never seen before, to the first token of the last of them."""
    config = model.config
    pages = -(-task.context // USUAL.page_size) + 1
    limits = EngineConfig(
        num_pages=task.batch * pages + 1,
        max_num_seqs=task.batch,
        max_num_batched_tokens=task.max_num_batched_tokens,
    )
    drive = Drive(model, limits, seed=task.seed)

    def read() -> float:
        for prompt in [drive.prompt(task.context) for _ in range(task.batch)]:
            drive.add(prompt, 1, task.telemetry)
        return _to_the_end(drive)

    drive.looking.on = True
    read()
    drive.looking.on = False
    found = []
    for number in range(task.steps):
        found.append(read())
        tell(number + 1)
    cost = step_cost(config, widths, [(0, task.context)] * task.batch, heads=task.batch, touched=drive.looking.touched)
    return Timed(
        seconds=tuple(found),
        tokens=task.batch * task.context,
        costs=(cost,),
        touched=drive.looking.touched,
    )


def measure_throughput(model: Transformer, widths: Widths, task: Task, tell: Tell, *, repeats: int = 3) -> Timed:
    """Times a pile of requests at once: prompts of half to one and a half ``context``, ``steps`` tokens each.

    The tokens are those that were generated; every step costs what it touched.
    """
    config = model.config
    longest = task.context + task.context // 2 + task.steps
    pages = -(-longest // USUAL.page_size) + 1
    limits = EngineConfig(
        num_pages=task.batch * pages + 1,
        max_num_seqs=min(task.batch, USUAL.max_num_seqs),
        max_num_batched_tokens=task.max_num_batched_tokens,
    )
    drive = Drive(model, limits, seed=task.seed)
    lengths = torch.Generator().manual_seed(task.seed)
    low, high = max(1, task.context // 2), task.context + task.context // 2 + 1
    wanted = torch.randint(low, high, (task.batch,), generator=lengths).tolist()

    def run() -> float:
        for prompt in [drive.prompt(length) for length in wanted]:
            drive.add(prompt, task.steps, task.telemetry)
        return _to_the_end(drive)

    drive.looking.on = True
    run()
    drive.looking.on = False
    found = []
    for number in range(repeats):
        found.append(run())
        tell(number + 1)
    return Timed(
        seconds=tuple(found),
        tokens=task.batch * task.steps,
        costs=_costs(config, widths, drive.looking),
        touched=drive.looking.touched,
    )


def _costs(config: ModelConfig, widths: Widths, looking: Looking) -> tuple[Cost, ...]:
    """What each step seen costs at the least."""
    return tuple(
        step_cost(config, widths, chunks, heads=heads, touched=touched) for chunks, heads, touched in looking.steps
    )


def _to_the_end(drive: Drive) -> float:
    """Seconds until nothing is left to do, what routing was wanted laid out."""
    began = time.perf_counter()
    while drive.engine.has_unfinished:
        drive.step()
    drive.take_routing()
    return time.perf_counter() - began


def turns_of(config: ModelConfig, width: int) -> int:
    """How many layers must take turns for no cache to hold them."""
    layer = 3 * config.num_experts * config.dim * config.hidden_dim * width
    return min(MOST_TURNS, config.num_layers, -(-TURNS_BYTES // layer))


@torch.inference_mode()
def measure_layer(model: Transformer, widths: Widths, task: Task, tell: Tell) -> Timed:
    """Times one layer of experts with its norm and router, on ``batch`` random tokens; several layers take turns."""
    config, weight = model.config, model.norm.weight
    generator = torch.Generator(weight.device).manual_seed(task.seed)
    x_TD = torch.empty(task.batch, config.dim, dtype=weight.dtype, device=weight.device)
    x_TD.normal_(generator=generator)
    blocks: list[Any] = list(model.layers)
    layers = blocks[: turns_of(config, weight.dtype.itemsize)]
    touched = [int(layer.feed_forward(x_TD, layer.ffn_norm)[1][0].expert_TK.unique().numel()) for layer in layers]
    turn = itertools.cycle(layers)

    def call() -> None:
        layer = next(turn)
        layer.feed_forward(x_TD, layer.ffn_norm)

    found = device_rates.seconds(call, weight.device, repeats=task.steps)
    tell(task.steps)
    mean = sum(touched) / len(touched)
    return Timed(
        seconds=tuple(found),
        tokens=task.batch,
        costs=(layer_cost(config, widths, task.batch, touched=mean),),
        touched=mean,
    )


def layer_flop(config: ModelConfig, tokens: float) -> float:
    """Operations of a layer of experts on so many tokens."""
    return layer_cost(config, Widths(weights=0, cache=0), round(tokens), touched=0).flop
