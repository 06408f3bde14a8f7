"""Replying: an answer in the making goes out whole or as a stream, and every status that can come is documented."""

from dataclasses import replace
from typing import Any, Protocol

from fastapi import Request
from pydantic import BaseModel
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from octavo.server.routes.answering import ClientGone, Job, Serving, answer, while_connected
from octavo.server.routes.front import aside
from octavo.server.routes.json_out import as_json, json_bytes
from octavo.server.routes.keys import owner_of
from octavo.server.routes.schema.replies import ErrorReply
from octavo.server.routes.schema.sampling import SamplingFields
from octavo.server.routes.stream import Emit, EventStream
from octavo.server.routes.telling import LONG, usage

# What the rings around the application answer, and the application itself.
STATUSES = {
    400: "what was found in the request, what is wanted, and the way out",
    401: "no key, or not one of this server's",
    404: "no such path, model or request",
    405: "the path does not take this method",
    408: "the request took too long to arrive, or to be answered",
    413: "the body is too large",
    429: "too many requests wait: come again after Retry-After seconds",
    431: "the headers are too large, or too many",
    500: "a bug of the server",
    503: "the engine is loading, draining or dead: come again after Retry-After seconds",
}


class Silence(Response):
    """No answer, since nobody is there to hear one; it counts as none."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Sends nothing."""


class Answer(Protocol):
    """An answer whose jobs the engine does."""

    @property
    def jobs(self) -> list[Job]:
        """What the engine is to do."""

    @property
    def name(self) -> str:
        """The answer's identifier."""

    def whole(self) -> dict[str, Any]:
        """The answer, once every job is done."""

    async def write(self, emit: Emit) -> None:
        """Lets the engine work, and emits chunks as there is news."""


async def reply(serving: Serving, request: Request, body: SamplingFields, made: Answer) -> Response:
    """The answer as the request wants it; its work ends when the client leaves."""
    headers, owner = {"x-request-id": made.name}, owner_of(request.scope)
    for job in made.jobs:
        # Clients of different keys share nothing that the cache remembers: how fast an answer comes would tell.
        job.draft.request = replace(job.draft.request, cache_salt=owner.hex())
    heard = serving.routing_log.begin(made.name, owner=owner) if body.wants_routing else None
    if body.stream:
        return EventStream(made.write if heard is None else heard.of_stream(made.write), headers=headers)
    try:
        await while_connected(request.receive, answer(serving, made.jobs))
    except ClientGone:
        return Silence()
    # A long one is put together in a thread, where the interpreter goes from one to the other.
    whole = await aside(made.whole, usage(made.jobs)["total_tokens"] > LONG)
    if heard is not None:
        heard.add(whole)
        heard.keep()
    return Response(await json_bytes(whole), headers=headers, media_type="application/json")


def json_response(content: Any, headers: dict[str, str] | None = None) -> Response:
    """A JSON body; text as it is, in UTF-8."""
    return Response(as_json(content).encode(), headers=headers, media_type="application/json")


def documented(
    model: type[BaseModel], summary: str, *, stream: bool = False, statuses: tuple[int, ...] = tuple(STATUSES)
) -> dict[str, Any]:
    """What FastAPI is told of a route: the form of its answer, and every status that can come instead."""
    good: dict[str, Any] = {"model": model, "description": summary}
    if stream:
        good["content"] = {"text/event-stream": {"schema": {"type": "string"}}}
    responses: dict[int | str, Any] = {200: good}
    responses |= {status: {"model": ErrorReply, "description": STATUSES[status]} for status in statuses}
    return {"responses": responses, "response_model": None}
