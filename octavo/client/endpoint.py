"""A server of OpenAI's interface as its callers see it: where it is, the key, and what its failures are called.

The key is taken from ``OCTAVO_API_KEY``, or else from ``OPENAI_API_KEY``; a command line would show it to everybody.
"""

import ipaddress
import json
import os
from dataclasses import dataclass, field
from typing import Any

import httpx2

from octavo.errors import OctavoError, RequestError

KEYS = ("OCTAVO_API_KEY", "OPENAI_API_KEY")
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 600.0
LONGEST_SHOWN = 300


class ServerError(OctavoError, RuntimeError):
    """A server that cannot be reached, that breaks off, or that answers what is no answer; ``status`` where it did."""

    def __init__(self, message: str, *, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Where a server is: its address without ``/v1``, and the key, which is never shown."""

    url: str
    key: str | None = field(default=None, repr=False)

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.key}"} if self.key else {}

    def options(self, *, seconds: float = ANSWER_SECONDS) -> dict[str, Any]:
        """What a client of httpx2 is made with: ``seconds`` is how long it waits for the next byte."""
        return {
            "base_url": self.url,
            "headers": self.headers,
            "timeout": httpx2.Timeout(seconds, connect=CONNECT_SECONDS),
            # A proxy that the environment names leads out of this machine, never back into it.
            "trust_env": not is_here(httpx2.URL(self.url).host),
        }


def find_endpoint(url: str) -> Endpoint:
    """The server at an address, given with or without ``/v1``; raises RequestError for what is no address."""
    try:
        parsed = httpx2.URL(url.strip())
    except httpx2.InvalidURL as error:
        raise RequestError(f"--url is {url!r:.100} ({error}): want one such as http://127.0.0.1:8000") from None
    if parsed.scheme not in ("http", "https") or not parsed.host or parsed.query or parsed.fragment:
        raise RequestError(f"--url is {url!r:.100}: want one such as http://127.0.0.1:8000")
    if parsed.userinfo:
        raise RequestError(f"--url holds a password: give the key by {KEYS[0]} instead, which nobody else can read")
    root = str(parsed).rstrip("/").removesuffix("/v1").rstrip("/")
    # Several keys with commas between are what a server takes from the same variable; any of them opens it.
    ours, theirs = (os.environ.get(name, "") for name in KEYS)
    key = ours.split(",")[0].strip() or theirs.strip() or None
    if key is not None and not (key.isascii() and key.isprintable()):
        raise RequestError("the API key holds characters that no header can carry: check the variable, it may be cut")
    return Endpoint(url=root, key=key)


def is_here(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def unreachable(error: httpx2.TransportError, endpoint: Endpoint) -> ServerError:
    """What a broken connection is to a person."""
    url = endpoint.url
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return ServerError(f"nothing answers at {url} ({_said(error)}): check the address, or start octavo serve there")
    if isinstance(error, httpx2.TimeoutException):
        return ServerError(f"{url} has said nothing for too long ({_said(error)}): see what it is busy with")
    return ServerError(f"{url} broke off ({_said(error)}): look at the server's log, then try again")


def refusal(status: int, body: bytes, endpoint: Endpoint) -> OctavoError:
    """What an answer that is none is to a person: RequestError where the request was at fault, else ServerError."""
    said = f"{endpoint.url} answers {status}: {error_message(body) or 'no reason given'}"
    if status == httpx2.codes.UNAUTHORIZED:
        return RequestError(f"{said}: set {KEYS[0]} to a key of this server")
    if 400 <= status < 500 and status not in (408, 409, 429):
        return RequestError(said)
    return ServerError(said, status=status)


def error_message(body: bytes) -> str:
    """The message of an error's body in OpenAI's form or others', on one line and not too long."""
    text = body.decode("utf-8", errors="replace")
    try:
        found: Any = json.loads(text)
    except ValueError:
        found = text
    for name in ("error", "message", "detail"):
        if isinstance(found, dict) and name in found:
            found = found[name]
    text = found if isinstance(found, str) else json.dumps(found)
    text = " ".join(text.split())
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."


def read_chunk(text: str, endpoint: Endpoint) -> dict[str, Any] | None:
    """One event of a stream, None for the last; raises ServerError for an error told in the stream."""
    if text.strip() == "[DONE]":
        return None
    try:
        chunk = json.loads(text)
    except ValueError:
        chunk = None
    if not isinstance(chunk, dict):
        raise ServerError(f"{endpoint.url} streams {text!r:.80}, which is no JSON object: it may not be such a server")
    if chunk.get("error"):
        raise ServerError(f"{endpoint.url} broke off: {error_message(text.encode())}")
    return chunk


def _said(error: Exception) -> str:
    return " ".join(str(error).split()) or type(error).__name__
