"""Driving the engine as LLM does: sequences of some context that decode together, prompts that are read, or both.

A context is there at once: its pages are filled with random keys and values, as large as random weights make them, and
named as if they had been read, so that the engine finds them as it finds any prompt that it remembers. What routes is
the tokens of the steps themselves. A model with a sliding window remembers no pages: its contexts are read.
"""

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import torch

from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.params import SamplingParams
from octavo.engine.prefix import first_key, next_key
from octavo.engine.request import Progress, Request, RoutingRows
from octavo.engine.scheduler import Chunk
from octavo.model import Output, Transformer
from octavo.routing import expert_load

Telemetry = Literal["on", "off"]
# The limits that LLM has unasked.
USUAL = EngineConfig()
# Standard deviation of random weights.
STD = 0.02


@dataclass(slots=True)
class Looking:
    """Looks on at steps, when it is told to: their chunks, rows of logits, and how many experts a layer they touched.

    Looking waits for the device, so nothing is timed meanwhile; only the engine calls it.
    """

    on: bool = False
    steps: list[tuple[tuple[tuple[int, int], ...], int, float | None]] = field(default_factory=list)

    def __call__(self, chunks: tuple[Chunk, ...], output: Output) -> None:
        """Notes a step."""
        if self.on:
            read = tuple((chunk.start, chunk.count) for chunk in chunks)
            self.steps.append((read, output.logits_RV.shape[0], touched_of(output)))

    @property
    def touched(self) -> float | None:
        """The mean over the steps seen; None in a dense model."""
        found = [touched for _, _, touched in self.steps if touched is not None]
        return sum(found) / len(found) if found else None


def touched_of(output: Output) -> float | None:
    """How many experts of a layer the tokens of a forward touched, on average; None in a dense model."""
    if not output.routings:
        return None
    loads = [expert_load(routing.expert_TK, routing.logits_TE.shape[1]) for routing in output.routings]
    return float(torch.stack(loads).count_nonzero()) / len(loads)


class Drive:
    """An engine and the requests that it is driven with; ``step`` keeps what a step says, as a caller would."""

    def __init__(self, model: Transformer, limits: EngineConfig, *, seed: int = 0) -> None:
        self.looking = Looking()
        self.engine = Engine(model, limits, watch=self.looking)
        self.kept: list[RoutingRows] = []
        self._generator = torch.Generator().manual_seed(seed)
        self._num_added = 0

    def prompt(self, length: int) -> tuple[int, ...]:
        """Random tokens."""
        vocab_size = self.engine.model_config.vocab_size
        return tuple(torch.randint(0, vocab_size, (length,), generator=self._generator).tolist())

    def add(self, prompt: tuple[int, ...], max_tokens: int, telemetry: Telemetry) -> None:
        """Adds a greedy request that ends nowhere before its length."""
        routing = telemetry == "on"
        params = SamplingParams(
            temperature=0.0, max_tokens=max_tokens, ignore_eos=True, detokenize=False, routing=routing
        )
        self.engine.add(Request(request_id=str(self._num_added), prompt_token_ids=prompt, params=params))
        self._num_added += 1

    def remember(self, prompts: Sequence[tuple[int, ...]]) -> None:
        """Lets the engine remember prompts with random keys and values, where it remembers any."""
        engine = self.engine
        if not engine.scheduler.remembers:
            return
        cache, size = engine.runner.cache, engine.config.page_size
        std = STD * math.sqrt(engine.model_config.dim)
        for pool_LPBGH in (cache.key_LPBGH, cache.value_LPBGH):
            pool_LPBGH.normal_(0.0, std)
        for prompt in prompts:
            pages = engine.pool.take((len(prompt) - 1) // size)
            key = first_key("")
            for number, page in enumerate(pages):
                key = next_key(key, prompt[number * size : (number + 1) * size])
                engine.pool.name(page, key)
            engine.pool.release(pages)

    def step(self) -> list[Progress]:
        """One step of the engine; the routing that it says is kept."""
        said = self.engine.step()
        self.kept += [progress.routing for progress in said if progress.routing is not None]
        return said

    def timed_step(self) -> float:
        """Seconds of one step."""
        began = time.perf_counter()
        self.step()
        return time.perf_counter() - began

    def look(self, steps: int) -> None:
        """Takes some steps that are looked at and not timed."""
        self.looking.on = True
        for _ in range(steps):
            self.step()
        self.looking.on = False

    def take_routing(self) -> float:
        """Seconds that it takes to lay out what routing was kept, which is then let go."""
        began = time.perf_counter()
        for rows in self.kept:
            rows.arrays()
        self.kept.clear()
        return time.perf_counter() - began

    def end(self) -> None:
        """Ends all requests."""
        for number in range(self._num_added):
            self.engine.abort(str(number))


def decode_limits(config: ModelConfig, *, batch: int, context: int, steps: int) -> EngineConfig:
    """Limits of an engine that holds ``batch`` sequences which are ``context`` long halfway through ``steps``."""
    longest = min(context + (steps + 1) // 2 + 2, config.context_length)
    pages = -(-longest // USUAL.page_size) + 2
    return EngineConfig(num_pages=batch * pages + 1, max_num_seqs=batch)


def first_length(context: int, steps: int, *, before: int = 0) -> int:
    """The length of a prompt whose sequence is ``context`` long halfway through ``steps``, ``before`` others before.

    It is 1 where they outgrow the context.
    """
    return max(1, context - before - steps // 2)


def start_decoding(
    model: Transformer, limits: EngineConfig, *, length: int, steps: int, telemetry: Telemetry, seed: int
) -> Drive:
    """Sequences that have a context of ``length``, and ``steps`` more tokens to decode, all of them under way."""
    drive = Drive(model, limits, seed=seed)
    prompts = [drive.prompt(length) for _ in range(limits.max_num_seqs)]
    with torch.inference_mode():
        drive.remember(prompts)
    for prompt in prompts:
        drive.add(prompt, steps + 1, telemetry)
    scheduler = drive.engine.scheduler
    # The last page of each context is read.
    while scheduler.waiting or any(sequence.num_generated < 1 for sequence in scheduler.running):
        drive.step()
    drive.take_routing()
    return drive
