"""Keys: who may ask. Without keys everybody may; with keys every path is closed but those that ``is_public`` names."""

import hashlib
import hmac
from collections.abc import Iterable

from starlette.types import ASGIApp, Receive, Scope, Send

from octavo.server.routes.errors import Fault

PUBLIC = frozenset({"/", "/favicon.svg", "/health", "/version"})
PUBLIC_FOLDER = "/assets/"


class Keys:
    """The keys of one server, kept only as digests; ``bool(keys)`` says whether there are any."""

    def __init__(self, keys: Iterable[str] = ()) -> None:
        self._digests = tuple(sorted({_digest(key) for key in keys}))

    def __bool__(self) -> bool:
        """Whether a key is needed."""
        return bool(self._digests)

    def admit(self, given: str | bytes) -> bool:
        """Whether ``given`` is one of the keys; it takes as long for any other."""
        digest = _digest(given)
        # Every key is compared, whichever it is.
        return any([hmac.compare_digest(digest, each) for each in self._digests])


def is_public(path: str) -> bool:
    """Whether a path is open without a key: the page and what it is made of, /health and /version."""
    return path in PUBLIC or path.startswith(PUBLIC_FOLDER)


class Gate:
    """Lets through who has a key, as ``Authorization: Bearer KEY`` or ``X-Api-Key: KEY``; everybody else gets 401."""

    def __init__(self, app: ASGIApp, *, keys: Keys) -> None:
        self._app = app
        self._keys = keys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, or answers 401."""
        if scope["type"] == "lifespan" or not self._keys or is_public(scope["path"]):
            await self._app(scope, receive, send)
            return
        given = key_of(scope)
        if given is not None and self._keys.admit(given):
            await self._app(scope, receive, send)
            return
        found = "no key was found" if given is None else "the key is not one of this server's"
        fault = Fault(
            status=401, message=f"{found}: send the header 'Authorization: Bearer KEY'", code="invalid_api_key"
        )
        await fault.response({"www-authenticate": "Bearer"})(scope, receive, send)


def key_of(scope: Scope) -> bytes | None:
    """The key that a request brings, if any."""
    for name, value in scope["headers"]:
        if name == b"authorization":
            scheme, _, key = value.partition(b" ")
            if scheme.lower() == b"bearer":
                return bytes(key.strip())
        elif name == b"x-api-key":
            return bytes(value)
    return None


def owner_of(scope: Scope) -> bytes:
    """Who sent a request, by the key that it brought: its digest, empty where it brought none."""
    key = key_of(scope)
    return b"" if key is None else _digest(key)


def _digest(key: str | bytes) -> bytes:
    return hashlib.sha256(key.encode() if isinstance(key, str) else key).digest()
