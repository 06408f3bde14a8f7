"""Tiny models with random weights, and ways to serve requests with them, for the tests of the engine room."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch

from octavo.batch import Batch
from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.params import SamplingParams
from octavo.engine.request import Progress, Request, TokenLogprobs
from octavo.model import Output, Transformer
from octavo.ops import REFERENCE, Ops

SHAPE = {
    "vocab_size": 97,
    "dim": 32,
    "num_layers": 3,
    "num_heads": 4,
    "num_kv_heads": 2,
    "head_dim": 8,
    "hidden_dim": 24,
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "context_length": 256,
}
VARIANTS: dict[str, dict[str, object]] = {
    "sparse": {},
    "window": {"sliding_window": 9},
    "dense": {"num_experts": 0, "num_experts_per_tok": 0, "hidden_dim": 45},
}


def tiny(*, ops: Ops = REFERENCE, seed: int = 0, **changes: object) -> Transformer:
    """A model of random weights, large enough that its logits differ."""
    config = ModelConfig(**{**SHAPE, **changes})  # type: ignore[arg-type]
    return Transformer(config, ops).init_weights(seed=seed, std=0.25).eval()


def prompts_of(count: int, *, longest: int = 60, seed: int = 0) -> list[tuple[int, ...]]:
    """Prompts of random tokens, of 1 to ``longest`` of them."""
    generator = torch.Generator().manual_seed(seed)
    lengths = torch.randint(1, longest + 1, (count,), generator=generator).tolist()
    return [tuple(torch.randint(0, 97, (length,), generator=generator).tolist()) for length in lengths]


@torch.inference_mode()
def read(model: Transformer, token_ids: Sequence[int]) -> Output:
    """One forward over a whole sequence, without a cache: what the engine must equal."""
    length = len(token_ids)
    starts = torch.tensor([0, length], dtype=torch.int32)
    output: Output = model(Batch(torch.tensor(token_ids), torch.arange(length), starts, length))
    return output


@dataclass
class Served:
    """What came of one request: per output its tokens, logprobs and ends; rows by position, each seen once."""

    token_ids: dict[int, list[int]] = field(default_factory=dict)
    logprobs: dict[int, list[TokenLogprobs]] = field(default_factory=dict)
    prompt_logprobs: list[TokenLogprobs] = field(default_factory=list)
    ends: dict[int, tuple[str, int | None]] = field(default_factory=dict)
    rows: dict[tuple[int, int], tuple[np.ndarray, np.ndarray]] = field(default_factory=dict)

    def take(self, progress: Progress, num_prompt: int) -> None:
        index = progress.index
        if progress.token_id is not None:
            assert index not in self.ends, "a token after the end"
            self.token_ids.setdefault(index, []).append(progress.token_id)
        if progress.logprobs is not None:
            self.logprobs.setdefault(index, []).append(progress.logprobs)
        self.prompt_logprobs += progress.prompt_logprobs
        if progress.finish_reason is not None:
            assert index not in self.ends, "two ends"
            self.ends[index] = (progress.finish_reason, progress.stop_reason)
        if progress.routing is not None:
            start = progress.routing.start
            for offset, pair in enumerate(zip(*progress.routing.arrays()[:2], strict=True)):
                position = start + offset
                # Prompt positions belong to the request, the others to the output.
                key = (-1 if position < num_prompt else index, position)
                assert key not in self.rows, "a row twice"
                self.rows[key] = pair


def drive(
    engine: Engine, requests: Sequence[Request], *, check: Callable[[Engine], None] | None = None
) -> list[Served]:
    """Adds all requests and steps until none is left."""
    served = {request.request_id: (Served(), len(request.prompt_token_ids)) for request in requests}
    for request in requests:
        engine.add(request)
    while engine.has_unfinished:
        for progress in engine.step():
            served[progress.request_id][0].take(progress, served[progress.request_id][1])
        if check is not None:
            check(engine)
    assert engine.pool.used == 0
    assert engine.step() == []
    return [one for one, _ in served.values()]


def request(prompt: Sequence[int], name: str = "0", eos: Sequence[int] = (), **params: object) -> Request:
    return Request(
        request_id=name,
        prompt_token_ids=tuple(prompt),
        params=SamplingParams(**params),  # type: ignore[arg-type]
        eos_token_ids=frozenset(eos),
    )


def serve(
    model: Transformer, prompts: Sequence[Sequence[int]], params: dict[str, object], **limits: object
) -> list[Served]:
    """Serves prompts with one set of parameters by an engine of small pages."""
    engine = Engine(model, EngineConfig(**{"page_size": 4, "num_pages": 1000, **limits}))  # type: ignore[arg-type]
    return drive(engine, [request(prompt, str(place), **params) for place, prompt in enumerate(prompts)])
