"""Rejections: counts every answer by which the server refuses a request, whoever in it refused."""

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from octavo.server.telemetry.metrics import Metrics

# Stands for a client that has left before its answer: its outputs are aborted, and nobody refused it.
CLIENT_GONE = 499


class CountRejections:
    """ASGI middleware for the outermost place: an answer of status 400 or more is counted by its status.

    What is refused before there is a request, such as headers that never end, never comes here: whoever refuses it
    calls ``Metrics.rejected_with``.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes everything on, and looks at the status that comes back."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def watch(message: Message) -> None:
            if message["type"] == "http.response.start":
                status = message["status"]
                if status >= 400 and status != CLIENT_GONE:
                    self._metrics.rejected_with(status)
            await send(message)

        await self._app(scope, receive, watch)
