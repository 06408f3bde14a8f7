"""Answering: requests go to the engine and come back as results, for as long as somebody waits for them."""

import asyncio
import time
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from starlette.types import Receive

from octavo.api.drafts import RequestDraft
from octavo.api.outputs import CompletionDelta
from octavo.engine.request import Progress
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import Service, ServiceFacts, Submission
from octavo.server.routes.errors import Fault, Refused, unavailable
from octavo.server.routes.front import Front
from octavo.server.settings import ServerSettings
from octavo.server.telemetry.metrics import Metrics
from octavo.server.telemetry.routing_log import RoutingLog

Value = TypeVar("Value")


class ClientGone(Exception):
    """The client has left before its answer was ready."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What every route needs: the engine, the model's front, the settings, who counts, and who keeps routings."""

    service: Service
    front: Front
    settings: ServerSettings
    metrics: Metrics
    routing_log: RoutingLog

    def ready(self) -> ServiceFacts:
        """The engine's facts; raises Refused, a 503, while it takes no requests."""
        state = self.service.state
        if state != "ready":
            raise Refused(unavailable(f"the engine is {state}: try again later"))
        return self.service.facts

    def named(self, model: str | None) -> str:
        """The name by which answers call the model; raises Refused, a 404, for a name that it does not have."""
        names = self.front.names
        if model is None or model in names:
            return model or names[0]
        message = f"there is no model of that name here: want one of {', '.join(names)}, or leave 'model' out"
        raise Refused(Fault(status=404, message=message, param="model", code="model_not_found"))


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """One prompt's part of an answer: its choices are numbered from ``first``; the request for it came ``arrived``.

    ``mark_id`` is a token after which an output is no text any more, such as [TOOL_CALLS]; ``marks`` says where in the
    text of each output it came.
    """

    draft: RequestDraft
    arrived: float
    first: int = 0
    grammar: GrammarSpec | None = None
    mark_id: int | None = None
    marks: dict[int, int] = field(default_factory=dict)

    def take(self, progress: Progress, submission: Submission) -> None:
        """Writes down one step; ends the output in the engine where its text has come to a stop string."""
        output = self.draft.outputs[progress.index]
        if output.finish_reason is not None:
            return
        if self.draft.take(progress):
            submission.abort(progress.index)
        if progress.token_id is not None and progress.token_id == self.mark_id:
            self.marks.setdefault(progress.index, len(output.writer.text))


Tell = Callable[[Job, CompletionDelta], Awaitable[None]]


async def answer(serving: Serving, jobs: Sequence[Job], tell: Tell | None = None) -> None:
    """Lets the engine do all ``jobs`` at once, and hands what is new to ``tell``; their drafts are then complete.

    However it ends, nothing stays behind in the engine. Raises what a submission raises, the first of several.
    """
    if len(jobs) == 1:
        await _pursue(serving, jobs[0], tell)
        return
    try:
        async with asyncio.TaskGroup() as group:
            for job in jobs:
                group.create_task(_pursue(serving, job, tell))
    except ExceptionGroup as several:
        raise several.exceptions[0] from None


async def _pursue(serving: Serving, job: Job, tell: Tell | None) -> None:
    draft = job.draft
    with serving.metrics.watch(draft.request, arrived=job.arrived) as watch:
        submission = serving.service.submit(draft.request, grammar=job.grammar)
        try:
            async for said in submission:
                for progress in said:
                    job.take(progress, submission)
                watch.saw(draft)
                for delta in draft.deltas() if tell is not None else ():
                    assert tell is not None
                    await tell(job, delta)
        finally:
            await submission.aclose()


async def while_connected(receive: Receive, work: Coroutine[Any, Any, Value]) -> Value:
    """What ``work`` gives; it is cancelled, and ClientGone raised, as soon as the client leaves."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(disconnected(receive))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGone
        return task.result()
    finally:
        await put_down(task, gone)


async def disconnected(receive: Receive) -> None:
    """Waits until the client has left."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def put_down(*tasks: "asyncio.Future[Any]") -> None:
    """Cancels tasks and waits until they have cleared up."""
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def new_id(kind: str) -> str:
    """An identifier that nobody has had and nobody can guess."""
    return f"{kind}-{uuid.uuid4().hex}"


def now() -> int:
    """Seconds since 1970, as answers are dated."""
    return int(time.time())
