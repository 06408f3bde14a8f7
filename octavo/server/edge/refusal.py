"""Refusal: an error in OpenAI's form as plain bytes, for whatever stands in front of the application.

    {"error": {"message": what was found, what is wanted, the way out; "type"; "param": null; "code"}}

Nothing of what a stranger sent goes into it but what ``shown`` has shortened and escaped.
"""

import json
from dataclasses import dataclass

from octavo.server.limits import Limits

TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    408: "timeout_error",
    413: "invalid_request_error",
    429: "overloaded",
    431: "invalid_request_error",
    503: "unavailable",
}
LONGEST_SHOWN = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """An answer that ends a request before the application sees it.

    ``status`` is one of ``TYPES``; ``code`` is the bound or rule that was passed; ``retry_after`` is in seconds, None
    where trying again is of no use.
    """

    status: int
    code: str
    message: str
    retry_after: int | None = None

    @property
    def error(self) -> dict[str, str | None]:
        """What stands under ``error``."""
        return {"message": self.message, "type": TYPES[self.status], "param": None, "code": self.code}

    @property
    def body(self) -> bytes:
        """The whole body."""
        return json.dumps({"error": self.error}).encode()

    @property
    def headers(self) -> list[tuple[bytes, bytes]]:
        """Its headers; a client is told whether to try again, since OpenAI's does so unasked."""
        headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(self.body))]
        if self.retry_after is not None:
            return [*headers, (b"retry-after", b"%d" % self.retry_after)]
        return [*headers, (b"x-should-retry", b"false")]

    def as_stream(self) -> bytes:
        """The same inside a stream of events that has begun, and its end."""
        return b'data: {"error": ' + json.dumps(self.error).encode() + b"}\n\ndata: [DONE]\n\n"


class TurnedAway(Exception):
    """Ends the reading of a request with ``refusal``; it never leaves the file that raises it."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.code)
        self.refusal = refusal


def too_large(limits: Limits) -> Refusal:
    """What a body that is too large is told, whoever counts it."""
    message = f"the body is larger than {limits.max_body_bytes} bytes: send less at once"
    return Refusal(status=413, code="max_body_bytes", message=message)


def shown(text: str) -> str:
    """A stranger's text as a message may show it: escaped, in ASCII, on one line, and short."""
    cut = text[:LONGEST_SHOWN]
    return ascii(cut) if cut == text else ascii(cut)[:-1] + "...'"
