"""Pieces: ASGI middleware that hands a large answer on in pieces, each when the reader has taken the one before.

So what waits in memory for a slow reader is one piece, and a reader who goes on reading is never taken for one who has
stopped.
"""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

PIECE = 65_536


class Pieces:
    """Middleware around ``app``; ``send`` must wait while the reader does not read, as uvicorn's does."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, what is large in pieces."""

        async def send_pieces(message: Message) -> None:
            body = memoryview(message.get("body", b""))
            if message["type"] != "http.response.body" or len(body) <= PIECE:
                await send(message)
                return
            last = (len(body) - 1) // PIECE * PIECE
            for start in range(0, last, PIECE):
                await send({**message, "body": bytes(body[start : start + PIECE]), "more_body": True})
            await send({**message, "body": bytes(body[last:])})

        await self._app(scope, receive, send_pieces)
