"""A Service that says what it was told to: tokens of a script, whatever is asked; and it remembers what was asked."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from octavo.config import ModelConfig
from octavo.engine.admission import check_request
from octavo.engine.request import Progress, Request
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import ServiceFacts, ServiceLoad, State, StepObserver


class ScriptedService:
    """Gives output i the tokens ``script[i]`` one by one, the last of which ends it; then raises ``error``, if any.

    With ``stuck`` it says nothing more once it has said the tokens. ``closed`` counts submissions that were closed.
    """

    def __init__(self, script: Sequence[Sequence[int]], *, vocab_size: int, stuck: bool = False) -> None:
        self.state: State = "ready"
        self.load = ServiceLoad(pages_total=100)
        self.script = script
        self.stuck = stuck
        self.error: Exception | None = None
        self.asked: list[tuple[Request, GrammarSpec | None]] = []
        self.closed = 0
        config = ModelConfig(
            vocab_size=vocab_size, dim=16, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=8, hidden_dim=16,
            num_experts=4, num_experts_per_tok=2, context_length=512,
        )  # fmt: skip
        self.facts = ServiceFacts(
            model_name="scripted",
            config=config,
            dtype="float32",
            device="cpu",
            max_model_len=512,
            max_num_seqs=16,
            max_num_batched_tokens=512,
            max_logprobs=20,
            page_size=16,
            num_pages=100,
            eos_token_ids=frozenset({2}),
            load_seconds=0.0,
        )

    def check(self, request: Request) -> None:
        check_request(request, self.facts.bounds)

    def submit(self, request: Request, *, grammar: GrammarSpec | None = None) -> "ScriptedSubmission":
        self.asked.append((request, grammar))
        return ScriptedSubmission(self, request)

    def observe(self, observer: StepObserver) -> None:
        """Nothing steps here."""


class ScriptedSubmission:
    """One request of a ScriptedService."""

    def __init__(self, service: ScriptedService, request: Request) -> None:
        self._service = service
        self._request = request
        self._left = {index: list(service.script[index]) for index in range(request.params.n)}
        self._closed = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Progress]:
        await asyncio.sleep(0)
        said = []
        for index, tokens in list(self._left.items()):
            if not tokens:
                continue
            token = tokens.pop(0)
            last = not tokens and not self._service.stuck and self._service.error is None
            reason = ("stop" if token == 2 else "length") if last else None
            said.append(
                Progress(request_id=self._request.request_id, index=index, token_id=token, finish_reason=reason)
            )
            if last:
                del self._left[index]
        if said:
            return said
        if self._service.error is not None:
            raise self._service.error
        if self._service.stuck:
            await asyncio.Event().wait()
        raise StopAsyncIteration

    def abort(self, index: int) -> None:
        self._left.pop(index, None)

    async def aclose(self) -> None:
        if not self._closed:
            self._closed = True
            self._service.closed += 1


@asynccontextmanager
async def scripted_service(
    script: Sequence[Sequence[int]], *, vocab_size: int = 32768, stuck: bool = False
) -> AsyncIterator[ScriptedService]:
    """As a context, like the other services of the tests."""
    yield ScriptedService(script, vocab_size=vocab_size, stuck=stuck)
