"""Driver: an engine and a log of what each of its steps did; the loop around it belongs to whoever has one.

In each layer every step counts the T·K assignments of its tokens, [L, E], whether a request wants routings or not.
"""

import time
from dataclasses import dataclass

import torch
from torch import Tensor

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.request import Progress, Request
from octavo.engine.scheduler import Chunk
from octavo.model import Output, Transformer
from octavo.routing import Routing
from octavo.server.backend.recovery import Recovery
from octavo.server.backend.service import ServiceLoad, StepReport


@dataclass(frozen=True, slots=True)
class _Seen:
    """A step as the engine showed it: its chunks, the requests that began, the counts [L·E]."""

    chunks: tuple[Chunk, ...]
    started: tuple[str, ...]
    counts_N: Tensor | None


class Driver:
    """Adds, aborts and steps; only it touches the engine. ``failed_steps`` counts those that raised."""

    def __init__(self, model: Transformer, config: EngineConfig | None = None) -> None:
        self.engine = Engine(model, config, watch=self._watch)
        self._steps = self._tokens_read = self._tokens_chosen = self._failed_steps = 0
        self._seen: list[_Seen] = []
        self._recovery = Recovery(self.engine.scheduler)

    @property
    def busy(self) -> bool:
        """Whether a step has anything to do."""
        return self.engine.has_unfinished

    @property
    def load(self) -> ServiceLoad:
        """How busy the engine is now."""
        scheduler, pool = self.engine.scheduler, self.engine.pool
        return ServiceLoad(
            running=len(scheduler.running),
            waiting=len(scheduler.waiting),
            pages_used=pool.used,
            pages_cached=pool.cached,
            pages_total=pool.total,
            pages_leaked=0 if self.busy else pool.used,
            preemptions=scheduler.num_preempted,
            prefix_queries=scheduler.num_queried,
            prefix_hits=scheduler.num_hit,
            steps=self._steps,
            tokens_read=self._tokens_read,
            tokens_chosen=self._tokens_chosen,
            failed_steps=self._failed_steps,
        )

    def add(self, request: Request) -> None:
        """Takes a request into the queue; raises RequestError for one that cannot be served."""
        self.engine.add(request)

    def check(self, request: Request) -> None:
        """Raises RequestError for a request that cannot be served, without taking it in."""
        self.engine.check(request)

    def abort(self, request_id: str, index: int | None = None) -> None:
        """Ends a request, or one output of it, at once."""
        self.engine.abort(request_id, index)

    def step(self) -> tuple[list[Progress], StepReport | None]:
        """Steps once; what came of it, and the report, None where nothing was left to do or the step failed.

        Raises what the step raised where that is no request's fault, and the engine cannot go on.
        """
        began = time.perf_counter()
        self._seen.clear()
        try:
            said = self.engine.step()
        except Exception as error:
            self._failed_steps += 1
            return self._blame(error), None
        self._recovery.went_well()
        if not self._seen:
            return said, None
        seen = self._seen[-1]
        chunks = seen.chunks
        tokens = sum(chunk.count for chunk in chunks)
        chosen = sum(progress.token_id is not None for progress in said)
        self._steps += 1
        self._tokens_read += tokens
        self._tokens_chosen += chosen
        config = self.engine.model_config
        counts = None if seen.counts_N is None else seen.counts_N.cpu().numpy()
        return said, StepReport(
            seconds=time.perf_counter() - began,
            tokens_read=tokens,
            prompt_tokens=sum(_prompt_tokens(chunk) for chunk in chunks),
            tokens_chosen=chosen,
            num_sequences=len(chunks),
            started=seen.started,
            expert_count_LE=None if counts is None else counts.reshape(config.num_layers, config.num_experts),
            load=self.load,
        )

    def _blame(self, error: Exception) -> list[Progress]:
        """Ends the request that made a step raise, where one is known by now; raises where none is at fault."""
        blamed = self._recovery.failed(error)
        if blamed is None:
            return []
        request_id = blamed.request.request_id
        open_ones = [one.index for one in blamed.group.sequences if one.finish_reason is None]
        self.engine.abort(request_id)
        return [Progress(request_id=request_id, index=index, finish_reason="error") for index in open_ones]

    def _watch(self, chunks: tuple[Chunk, ...], output: Output) -> None:
        # The first to read anything of a request's prompt: after a preemption, or for another of its outputs, it isn't.
        groups = (chunk.sequence.group for chunk in chunks)
        started = {group.request.request_id: None for group in groups if group.prompt_read == 0}
        experts = self.engine.model_config.num_experts
        counts_N = count_experts(output.routings, experts) if output.routings else None
        self._seen.append(_Seen(chunks, tuple(started), counts_N))


def count_experts(routings: tuple[Routing, ...], num_experts: int) -> Tensor:
    """Assignments to each expert in each of L layers, flat [L·E]; on a GPU it waits for nothing."""
    expert_LN = torch.stack([routing.expert_TK for routing in routings]).flatten(1)
    expert_LN = expert_LN + torch.arange(len(routings), device=expert_LN.device)[:, None] * num_experts
    length = len(routings) * num_experts
    if expert_LN.device.type == "cpu":
        return torch.bincount(expert_LN.flatten(), minlength=length)
    counts_N = torch.zeros(length, dtype=torch.long, device=expert_LN.device)
    return counts_N.scatter_add_(0, expert_LN.flatten(), torch.ones_like(expert_LN).flatten())


def _prompt_tokens(chunk: Chunk) -> int:
    return max(0, min(chunk.start + chunk.count, chunk.sequence.num_prompt) - chunk.start)
