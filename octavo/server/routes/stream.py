"""Server-sent events: an answer as it is made, one JSON object an event, and [DONE] at its end.

The headers go out with the first event, so that what fails before it has a status of its own; a wait of two seconds
sends them alone, since what stands between may count a silent answer as lost. What fails later is an event ``error``.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from octavo.server.routes.answering import disconnected, put_down
from octavo.server.routes.errors import fault_of
from octavo.server.routes.json_out import json_bytes

SILENCE_S = 2.0
Emit = Callable[[Mapping[str, Any]], Awaitable[None]]


class EventStream(Response):
    """Sends what ``write`` emits; when the client leaves, ``write`` is cancelled."""

    media_type = "text/event-stream"

    def __init__(self, write: Callable[[Emit], Awaitable[None]], *, headers: Mapping[str, str]) -> None:
        # What stands between must neither keep nor gather the events.
        super().__init__(headers={"cache-control": "no-cache", "x-accel-buffering": "no", **headers})
        self.raw_headers = [pair for pair in self.raw_headers if pair[0] != b"content-length"]
        self._write = write

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answers."""
        wire = _Wire(send, self)
        task = asyncio.ensure_future(self._write(wire.emit))
        gone = asyncio.ensure_future(disconnected(receive))
        try:
            await asyncio.wait({task, gone}, timeout=SILENCE_S, return_when=asyncio.FIRST_COMPLETED)
            if not task.done() and not gone.done():
                await wire.begin()
                await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
            if not task.done():
                return
            error = task.exception()
            if error is None:
                await wire.end()
            elif wire.began:
                await wire.emit({"error": fault_of(error).error})
                await wire.end()
            else:
                await fault_of(error).response()(scope, receive, send)
        finally:
            await put_down(task, gone)


class _Wire:
    """The sending side of one stream, in the order in which things are sent."""

    def __init__(self, send: Send, response: Response) -> None:
        self.began = False
        self._send = send
        self._response = response
        self._turn = asyncio.Lock()

    async def begin(self) -> None:
        """Sends the headers, once."""
        async with self._turn:
            await self._begin()

    async def emit(self, payload: Mapping[str, Any]) -> None:
        """Sends one event."""
        text = await json_bytes(payload)
        async with self._turn:
            await self._begin()
            await self._body(b"data: " + text + b"\n\n", more=True)

    async def end(self) -> None:
        """Says that this was all."""
        async with self._turn:
            await self._begin()
            await self._body(b"data: [DONE]\n\n", more=True)
            await self._body(b"", more=False)

    async def _begin(self) -> None:
        if not self.began:
            self.began = True
            headers = self._response.raw_headers
            await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _body(self, body: bytes, *, more: bool) -> None:
        await self._send({"type": "http.response.body", "body": body, "more_body": more})
