"""Deadlines: ASGI middleware that ends a request which takes too long, and says so however far its answer has come.

nothing sent yet             408
a stream of events begun     an event with the error, then [DONE]
any other answer begun       the connection is closed: a client must not take a part for the whole
"""

import asyncio

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from octavo.server.edge.bodies import answer
from octavo.server.edge.refusal import Refusal


class Deadline:
    """Middleware around ``app``, which gets ``seconds`` for a request; then it is cancelled, and frees what it held."""

    def __init__(self, app: ASGIApp, *, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on until the time is up."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        sent = Sent(send)
        try:
            async with asyncio.timeout(self._seconds) as limit:
                await self._app(scope, receive, sent)
        except TimeoutError:
            # One that the application raised itself is its own affair.
            if not limit.expired() or sent.ended:
                raise
            message = f"the request took longer than {self._seconds:g} s: ask for less (request_timeout)"
            refusal = Refusal(status=408, code="request_timeout", message=message)
            if not sent.begun:
                await answer(refusal, send)
            elif sent.streams_events:
                await send({"type": "http.response.body", "body": refusal.as_stream()})
            else:
                raise ConnectionAbortedError("the request took too long, and its answer broke off") from None


class Sent:
    """A ``send`` that remembers how far an answer has come."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = self.streams_events = self.ended = False

    async def __call__(self, message: Message) -> None:
        """Sends on."""
        if message["type"] == "http.response.start":
            self.begun = True
            kind = dict(message.get("headers", ())).get(b"content-type", b"")
            self.streams_events = kind.startswith(b"text/event-stream")
        elif not message.get("more_body", False):
            self.ended = True
        await self._send(message)
