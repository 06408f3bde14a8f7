"""Bodies: ASGI middleware that receives a request's body whole, within bounds, before the application is asked.

What it passes on is at most ``max_body_bytes`` long and, for the paths that take JSON, text in UTF-8 that any JSON
reader takes for the same value. That value lies in ``scope["state"]["json"]``.
"""

from collections.abc import Container

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from octavo.errors import RequestError
from octavo.server.edge.json_text import read_json
from octavo.server.edge.refusal import Refusal, TurnedAway, shown, too_large
from octavo.server.limits import Limits

FULL = Refusal(
    status=429,
    code="max_pending_bytes",
    message="too much is being received from others: try again soon",
    retry_after=1,
)


class Gone(Exception):
    """The client went while it was sending."""


class Bodies:
    """Middleware around ``app``; ``json_paths`` are those whose POST takes JSON."""

    def __init__(self, app: ASGIApp, *, limits: Limits, json_paths: Container[str]) -> None:
        self._app = app
        self._limits = limits
        self._json_paths = json_paths
        self._num_pending = 0  # bytes of bodies that are being received

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes a sound request on with its body; answers 400, 413 or 429 otherwise."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        try:
            body = await self._read(scope, receive)
        except TurnedAway as turned:
            await answer(turned.refusal, send)
        except Gone:
            pass
        else:
            await self._app(scope, replay(body, receive), send)

    async def _read(self, scope: Scope, receive: Receive) -> bytes:
        """The body; raises TurnedAway or Gone."""
        headers = dict(scope["headers"])
        self._judge_length(headers.get(b"content-length", b"0"))
        takes_json = scope["method"] == "POST" and scope["path"] in self._json_paths
        if takes_json:
            judge_type(headers)
        body = await self._receive_all(receive)
        if takes_json:
            try:
                scope.setdefault("state", {})["json"] = read_json(body, self._limits)
            except RequestError as error:
                raise TurnedAway(Refusal(status=400, code="invalid_json", message=str(error))) from None
        return body

    def _judge_length(self, length: bytes) -> None:
        """A body that says that it is too large is refused before it comes."""
        # Python refuses to read thousands of digits; nobody needs more than 18 here.
        if len(length) > 18 or (length.isdigit() and int(length) > self._limits.max_body_bytes):
            raise TurnedAway(too_large(self._limits))

    async def _receive_all(self, receive: Receive) -> bytes:
        parts: list[bytes] = []
        length = 0
        try:
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Gone
                part = message.get("body", b"")
                parts.append(part)
                length += len(part)
                self._num_pending += len(part)
                if length > self._limits.max_body_bytes:
                    raise TurnedAway(too_large(self._limits))
                if self._num_pending > self._limits.max_pending_bytes:
                    raise TurnedAway(FULL)
                if not message.get("more_body", False):
                    return b"".join(parts)
        finally:
            self._num_pending -= length


def judge_type(headers: dict[bytes, bytes]) -> None:
    """Raises TurnedAway unless a body says that it is JSON, in UTF-8 and as it is.

    What a form on a stranger's page can make a browser send unasked is none of that.
    """
    kind, _, options = headers.get(b"content-type", b"").decode("latin-1").partition(";")
    coding = headers.get(b"content-encoding", b"identity").decode("latin-1")
    name, _, charset = options.strip().partition("=")
    if kind.strip().lower() != "application/json":
        found = f"it is {shown(kind.strip())}" if kind.strip() else "there is none"
        message = f"the Content-Type must be application/json: {found}"
    elif name.strip().lower() == "charset" and charset.strip(' "').lower() not in ("utf-8", "utf8"):
        message = f"the Content-Type has the charset {shown(charset)}: send UTF-8"
    elif coding.strip().lower() != "identity":
        message = f"the Content-Encoding is {shown(coding)}: send the body as it is"
    else:
        return
    raise TurnedAway(Refusal(status=400, code="invalid_content_type", message=message))


def replay(body: bytes, receive: Receive) -> Receive:
    """A ``receive`` that gives the body once more, and then what comes after it."""
    given = False

    async def again() -> Message:
        nonlocal given
        if given:
            return await receive()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return again


async def answer(refusal: Refusal, send: Send) -> None:
    """Sends a refusal as the whole answer."""
    await send({"type": "http.response.start", "status": refusal.status, "headers": refusal.headers})
    await send({"type": "http.response.body", "body": refusal.body})
