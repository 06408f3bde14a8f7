"""Recording: a service whose requests, or a sample of them, leave how they were routed in a trace.

A sampled request asks the engine for its routing, whether its client did or not; who did not is told nothing of it.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import Self

import numpy as np

from octavo.analysis.recorder import Rows as TraceRows
from octavo.api.rows import Rows
from octavo.config import ModelConfig
from octavo.engine.request import Progress, Request
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import Service, ServiceFacts, ServiceLoad, State, StepObserver, Submission
from octavo.server.telemetry.traffic import Passage

# Domains of a trace by what a request's id begins with.
DOMAINS = {"chatcmpl": "chat", "cmpl": "completions"}


class RecordingService:
    """``service``, and ``put`` gets each output of a share ``sample`` of its requests, with its prompt, at its end.

    What was routed until a client left, or until the engine died, is recorded too. ``draw`` gives numbers from 0 to 1.
    """

    def __init__(
        self,
        service: Service,
        put: Callable[[Passage], None],
        *,
        sample: float = 1.0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._service, self._put, self._sample, self._draw = service, put, sample, draw

    @property
    def facts(self) -> ServiceFacts:
        """What was opened."""
        return self._service.facts

    @property
    def load(self) -> ServiceLoad:
        """How busy it is."""
        return self._service.load

    @property
    def state(self) -> State:
        """Whether it takes requests."""
        return self._service.state

    def check(self, request: Request) -> None:
        """Raises RequestError for a request that the engine would refuse."""
        self._service.check(request)

    def submit(self, request: Request, *, grammar: GrammarSpec | None = None) -> Submission:
        """Queues a request, and records it where it is in the sample."""
        if self._draw() >= self._sample:
            return self._service.submit(request, grammar=grammar)
        asked = replace(request, params=replace(request.params, routing=True))
        gathering = Gathering(request, self._service.facts.config)
        return _Recorded(self._service.submit(asked, grammar=grammar), gathering, self._put)

    def observe(self, observer: StepObserver) -> None:
        """Calls ``observer`` after every step."""
        self._service.observe(observer)


class Gathering:
    """The tokens and routing rows of one request so far."""

    def __init__(self, request: Request, config: ModelConfig) -> None:
        self.request = request
        self._config = config
        self._prompt = Rows(config, logits=False)
        self._outputs = [Rows(config, logits=False) for _ in range(request.params.n)]
        self._tokens: list[list[int]] = [[] for _ in range(request.params.n)]

    def take(self, progress: Progress) -> None:
        """Adds what a step said."""
        if progress.token_id is not None:
            self._tokens[progress.index].append(progress.token_id)
        rows = progress.routing
        if rows is not None:
            place = self._prompt if rows.start < len(self.request.prompt_token_ids) else self._outputs[progress.index]
            place.add(rows)

    def passages(self) -> list[Passage]:
        """One for each output of which something was read; the last token of each was read by nobody."""
        prompt_ids = self.request.prompt_token_ids
        if not self._prompt.count:
            return []
        self._prompt.pad(len(prompt_ids))
        experts, weights, _ = self._prompt.take()
        kind, _, _ = self.request.request_id.partition("-")
        found = []
        for index, (rows, tokens) in enumerate(zip(self._outputs, self._tokens, strict=True)):
            rows.pad(len(tokens))
            own_experts, own_weights, _ = rows.take()
            parts = (experts, own_experts[: len(tokens)]), (weights, own_weights[: len(tokens)])
            found.append(
                Passage(
                    domain=DOMAINS.get(kind, "live"),
                    name=f"{self.request.request_id}#{index}",
                    token_ids=(*prompt_ids, *tokens),
                    rows=TraceRows(expert_TLK=np.concatenate(parts[0]), weight_TLK=np.concatenate(parts[1])),
                    num_prompt=len(prompt_ids),
                )
            )
        return found


class _Recorded:
    """A submission that is overheard."""

    def __init__(self, submission: Submission, gathering: Gathering, put: Callable[[Passage], None]) -> None:
        self._submission = submission
        self._gathering: Gathering | None = gathering
        self._wants_routing = gathering.request.params.routing
        self._put = put

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> list[Progress]:
        """All progress since the last call, without the routing that nobody asked for."""
        while True:
            try:
                said = await anext(self._submission)
            except Exception:  # its end is one of them
                self._end()
                raise
            for progress in said:
                if self._gathering is not None:
                    self._gathering.take(progress)
            if not self._wants_routing:
                said = [replace(each, routing=None) for each in said if _says_more(each)]
            if said:
                return said

    def abort(self, index: int) -> None:
        """Ends one output within a step."""
        self._submission.abort(index)

    async def aclose(self) -> None:
        """Ends what has not ended within a step."""
        self._end()
        await self._submission.aclose()

    def _end(self) -> None:
        gathering, self._gathering = self._gathering, None
        for passage in gathering.passages() if gathering is not None else ():
            self._put(passage)


def _says_more(progress: Progress) -> bool:
    """Whether a progress says anything beside its routing."""
    return progress.token_id is not None or progress.finish_reason is not None or bool(progress.prompt_logprobs)
