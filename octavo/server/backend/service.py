"""Service: what the HTTP side knows of the engine: requests go in as token ids, progress comes out step by step.

The HTTP side has the tokenizer, the text and one event loop; the engine, in a process of its own, has the model. This
file is the seam between them, and holds no code of either. A request goes through it so:

    service.check(request)                          400 at once, before anything is sent
    submission = service.submit(request)            queued
    async for progress in submission: ...           one list for all that came since the last
    await submission.aclose()                       in a finally: whatever is left of it ends in the engine
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol, Self

import numpy as np

from octavo.config import ModelConfig
from octavo.engine.admission import Bounds
from octavo.engine.request import Progress, Request
from octavo.errors import OctavoError
from octavo.server.backend.grammar import GrammarSpec

State = Literal["loading", "ready", "draining", "dead"]


class EngineDead(OctavoError, RuntimeError):
    """The engine's process has ended while something waited for it; over HTTP it is a 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceFacts:
    """What does not change while an engine lives.

    ``model_name`` is what it was opened by. ``num_pages`` pages of ``page_size`` positions can be handed out (the null
    page is not one of them). ``eos_token_ids`` end a text unless a request ignores them. ``load_seconds`` is how long
    opening took.
    """

    model_name: str
    config: ModelConfig
    dtype: str
    device: str
    max_model_len: int
    max_num_seqs: int
    max_num_batched_tokens: int
    max_logprobs: int
    page_size: int
    num_pages: int
    eos_token_ids: frozenset[int]
    load_seconds: float

    @property
    def bounds(self) -> Bounds:
        """What a request is held against, here as in the engine."""
        return Bounds(
            config=self.config,
            max_model_len=self.max_model_len,
            max_logprobs=self.max_logprobs,
            page_size=self.page_size,
            num_pages=self.num_pages,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLoad:
    """How busy the engine is, as of its last step or change; ``preemptions`` and what follows count since it began.

    ``running`` and ``waiting`` are sequences (a request has ``n`` of them). ``pages_used`` are held by sequences,
    ``pages_cached`` are kept for prompts to come, ``pages_leaked`` are held though no request is open: 0 unless we have
    a bug. Of the ``prefix_queries`` tokens that sequences had when they were let in, ``prefix_hits`` were remembered.
    ``failed_steps`` raised, and what they planned was planned anew.
    """

    running: int = 0
    waiting: int = 0
    pages_used: int = 0
    pages_cached: int = 0
    pages_total: int = 0
    pages_leaked: int = 0
    preemptions: int = 0
    prefix_queries: int = 0
    prefix_hits: int = 0
    steps: int = 0
    tokens_read: int = 0
    tokens_chosen: int = 0
    failed_steps: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """What one step of the engine did, whoever asked for it.

    ``seconds`` is what it took. It read ``tokens_read`` tokens of ``num_sequences`` sequences, ``prompt_tokens`` of
    them of prompts, and chose ``tokens_chosen``. ``started`` names the requests of which it read the first token, by
    which their wait in the queue ended. ``expert_count_LE`` counts the tokens' T·K assignments in each layer, None for
    a dense model. ``load`` is how the step left the engine.
    """

    seconds: float
    tokens_read: int
    prompt_tokens: int
    tokens_chosen: int
    num_sequences: int
    started: tuple[str, ...]
    expert_count_LE: np.ndarray | None
    load: ServiceLoad


StepObserver = Callable[[StepReport], None]


class Submission(Protocol):
    """One request in the engine's hands: an async iterator over what its steps said, in order, nothing left out.

    It ends when every output has come to an end (a ``finish_reason``, or ``abort``). Beside progress it raises
    RequestError, before any, when the engine cannot take the request (such as a grammar that cannot be compiled), and
    EngineDead when the engine's process ends. Always close it: what has ended already is not disturbed.
    """

    def __aiter__(self) -> Self:
        """Itself."""

    async def __anext__(self) -> list[Progress]:
        """All progress since the last call, waiting for some; never an empty list."""

    def abort(self, index: int) -> None:
        """Ends output ``index`` within a step, as where its text holds a stop string.

        The iterator says nothing more of it; a list that was handed out already may, which is to be passed over.
        """

    async def aclose(self) -> None:
        """Ends what has not ended within a step and frees its pages; again is nothing."""


class Service(Protocol):
    """An engine, wherever it runs; all of it is called from one event loop."""

    @property
    def facts(self) -> ServiceFacts:
        """What was opened; known once ``state`` has been ready."""

    @property
    def load(self) -> ServiceLoad:
        """How busy it is."""

    @property
    def state(self) -> State:
        """Whether it takes requests: only where ready; where draining it finishes those that it has."""

    def check(self, request: Request) -> None:
        """Raises RequestError, in one line, for a request that the engine would refuse; waits for nothing."""

    def submit(self, request: Request, *, grammar: GrammarSpec | None = None) -> Submission:
        """Queues a request, its outputs kept to ``grammar`` where there is one.

        ``request_id`` must be nobody else's. Raises EngineDead where there is no engine.
        """

    def observe(self, observer: StepObserver) -> None:
        """Calls ``observer`` after every step from now on; it must be quick and must not raise."""
