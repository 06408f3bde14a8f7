"""Requests as the engine sees them, the sequences that serve them, and what each step has to say about one."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, Protocol

import numpy as np

from octavo.engine.constraint import Constraint
from octavo.engine.params import SamplingParams

FinishReason = Literal["stop", "length", "abort", "error"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One prompt and what is wanted of it; ``eos_token_ids`` end an output unless ``params.ignore_eos``.

    Only requests of the same ``cache_salt`` share what the cache remembers of their prompts. Each output keeps to a
    fresh ``constraint`` where there is one.
    """

    request_id: str
    prompt_token_ids: tuple[int, ...]
    params: SamplingParams
    eos_token_ids: frozenset[int] = frozenset()
    cache_salt: str = ""
    constraint: Constraint | None = None


@dataclass(slots=True, eq=False, kw_only=True)
class Group:
    """The n sequences of one request.

    The first to be admitted leads: it reads the prompt, and the others start from its pages. ``prompt_read`` and
    ``prompt_scored`` count the prompt positions whose routing and logprobs were handed out, so that none is twice.
    """

    request: Request
    sequences: tuple[Sequence, ...] = ()
    leader: Sequence | None = None
    prompt_read: int = 0
    prompt_scored: int = 0


@dataclass(slots=True, eq=False, kw_only=True)
class Sequence:
    """One output being written: its tokens so far and the pages that hold their keys and values.

    ``pages`` is the block table: entry p is the page of positions p·B to p·B + B - 1; the first ``num_released`` were
    handed back and are 0. The first ``num_computed`` positions are in the cache; a preempted sequence starts again from
    0, or from the pages that are remembered. ``num_read`` is the most it ever was. ``page_keys`` are the names of its
    first whole pages, as far as they were wanted; the pool knows the first ``num_named`` pages by them. The scheduler
    writes pages and names, the engine the rest.
    """

    group: Group
    index: int
    seed: int
    token_ids: list[int]
    pages: list[int] = field(default_factory=list)
    page_keys: list[bytes] = field(default_factory=list)
    num_named: int = 0
    num_released: int = 0
    num_computed: int = 0
    num_read: int = 0
    running: bool = False
    finish_reason: FinishReason | None = None
    constraint: Constraint | None = None

    @property
    def request(self) -> Request:
        """The request it serves."""
        return self.group.request

    @property
    def num_prompt(self) -> int:
        """Tokens of the prompt."""
        return len(self.group.request.prompt_token_ids)

    @property
    def num_generated(self) -> int:
        """Tokens chosen so far."""
        return len(self.token_ids) - len(self.group.request.prompt_token_ids)


@dataclass(frozen=True, slots=True)
class TokenLogprobs:
    """Logprobs at one position: first the token that stands there, of rank ``rank``, then the best, from rank 1 on."""

    token_ids: tuple[int, ...]
    logprobs: tuple[float, ...]
    rank: int


class StepRouting(Protocol):
    """The routings of one step, on the host or on their way to it."""

    def rows(self, held: slice, *, logits: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Experts [T, L, K], weights [T, L, K] and, when wanted, logits [T, L, E] of some of the tokens."""


@dataclass(frozen=True, slots=True)
class RoutingRows:
    """How positions ``start``, ``start`` + 1, ... of one sequence were routed in each of L layers, in rank order.

    They are the tokens ``held`` of a step's routings, which may still be under way: to look at them is to wait.
    """

    start: int
    source: StepRouting
    held: slice
    logits: bool = False

    @property
    def count(self) -> int:
        """How many positions."""
        return int(self.held.stop - self.held.start)

    def arrays(self) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Experts [T, L, K], weights [T, L, K] and, where they are wanted, logits [T, L, E]."""
        return self.source.rows(self.held, logits=self.logits)


@dataclass(frozen=True, slots=True)
class Progress:
    """What one step did for one sequence: of all that it says, each thing is said once.

    ``routing`` covers the tokens that the step read, so the row of a chosen token comes a step after the token itself;
    rows of prompt positions belong to the request, whichever of its sequences read them.
    """

    request_id: str
    index: int
    token_id: int | None = None
    logprobs: TokenLogprobs | None = None
    prompt_logprobs: tuple[TokenLogprobs, ...] = ()
    routing: RoutingRows | None = None
    finish_reason: FinishReason | None = None
    stop_reason: int | None = None
