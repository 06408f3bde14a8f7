"""Errors over HTTP: what went wrong becomes a status and one line for a person, in OpenAI's form; nothing else leaves.

    {"error": {"message", "type", "param", "code"}}

Clients try again on 408, 409, 429 and every 5xx, so what a client did wrong is always another 4xx.
"""

import json
import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from octavo.errors import OctavoError, OverCapacity, RequestError, TokenizerError
from octavo.server.backend.service import EngineDead
from octavo.server.edge.refusal import TYPES as RING_TYPES
from octavo.server.routes.schema.bounds import FieldError
from octavo.server.routes.schema.strict import shown

log = logging.getLogger("octavo.server")

TYPES = {**RING_TYPES, 404: "invalid_request_error", 405: "invalid_request_error", 500: "server_error"}
RETRY_AFTER_S = 1
RETRY_WHEN_UNAVAILABLE_S = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An error as it goes over the wire; ``retry_after`` is in seconds, None where trying again is of no use."""

    status: int
    message: str
    param: str | None = None
    code: str | None = None
    retry_after: int | None = None

    @property
    def error(self) -> dict[str, str | None]:
        """What stands under ``error``."""
        return {
            "message": self.message,
            "type": TYPES.get(self.status, "invalid_request_error"),
            "param": self.param,
            "code": self.code,
        }

    def response(self, headers: Mapping[str, str] | None = None) -> Response:
        """The whole answer."""
        retry = {"x-should-retry": "false"} if self.retry_after is None else {"retry-after": str(self.retry_after)}
        body = json.dumps({"error": self.error})
        return Response(body, self.status, {**retry, **(headers or {})}, media_type="application/json")


class Refused(OctavoError):
    """A request that ends with ``fault``."""

    def __init__(self, fault: Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def fault_of(error: BaseException) -> Fault:
    """What the client is told of an error; of one that is ours it learns only that it is ours."""
    if isinstance(error, Refused):
        return error.fault
    if isinstance(error, FieldError):
        return Fault(status=400, message=str(error), param=error.param)
    if isinstance(error, RequestError | TokenizerError):
        return Fault(status=400, message=str(error))
    if isinstance(error, OverCapacity):
        return Fault(status=429, message=str(error), code="overloaded", retry_after=RETRY_AFTER_S)
    if isinstance(error, EngineDead):
        return unavailable("the engine has ended: try again when it is back")
    log.error("an error of ours: %s", told(error))
    return Fault(status=500, message="the server has a bug; its log has the place", code="internal_error")


def unavailable(message: str) -> Fault:
    """A 503, with the time after which to try again."""
    return Fault(status=503, message=message, code="unavailable", retry_after=RETRY_WHEN_UNAVAILABLE_S)


def told(error: BaseException) -> str:
    """An error for the log: its type and places; its message may hold what a user wrote, so it stays out."""
    frames = traceback.extract_tb(error.__traceback__)
    places = " < ".join(f"{frame.filename.rpartition('/')[2]}:{frame.lineno} {frame.name}" for frame in frames[::-1])
    return f"{type(error).__name__} at {places or 'an unknown place'}"


def http_fault(error: HTTPException) -> Fault:
    """The framework's own refusals, such as for a path that is not there, in our form."""
    messages = {
        404: "there is no such path: /openapi.json lists those there are",
        405: "this path does not take that method: see the header Allow",
    }
    return Fault(status=error.status_code, message=messages.get(error.status_code, "the request cannot be read"))


def validation_fault(errors: Sequence[Mapping[str, Any]]) -> Fault:
    """The first thing that is wrong with a body, by the name of its field; of a union's several, the most exact."""
    first = errors[0]
    root = first["loc"][:2]
    found = max((error for error in errors if error["loc"][:2] == root), key=lambda error: len(error["loc"]))
    place = path_of(found["loc"])
    if found["type"] == "json_invalid":
        return Fault(status=400, message="the body is not JSON: send one JSON object in UTF-8")
    if found["type"] == "missing":
        message = f"{place or 'the body'} is missing: it has to be there"
    elif found["type"] == "refused":
        message = str(found["msg"]) if place in ("", found["loc"][-1]) else f"{place}: {found['msg']}"
    else:
        value = found["input"]
        if found["type"] == "union_tag_invalid":
            place, value = f"{place}.role", value.get("role")
        message = f"{place or 'the body'} is {shown(value)}: {wanted(found)}"
    return Fault(status=400, message=message, param=place or None)


def wanted(error: Mapping[str, Any]) -> str:
    """What a field takes, from the library's words, none of which are the user's."""
    if error["type"] == "union_tag_invalid":
        return f"want one of {error['ctx']['expected_tags']}"
    if error["type"] in ("model_type", "model_attributes_type", "dict_type"):
        return "want a JSON object"
    words = str(error["msg"]).removeprefix("Input should be ")
    return f"want {words[:1].lower()}{words[1:]}"


def path_of(loc: Sequence[int | str]) -> str:
    """A field's place as a person writes it: messages[0].content; what a union calls its branches is left out."""
    path = ""
    for before, part in pairwise(loc):
        if isinstance(part, int):
            path += f"[{part}]"
        elif part.isidentifier() and part.islower() and not (isinstance(before, int) and part in ROLES):
            path += f".{part}"
    return path.removeprefix(".")


# Which kind of message was meant stands after its number.
ROLES = frozenset({"system", "developer", "user", "assistant", "tool"})


class Shield:
    """Outermost of the application: an error of ours becomes one line in the log and a 500, never a traceback."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, and answers where nobody has."""
        began = False

        async def watched(message: Message) -> None:
            nonlocal began
            began = True
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception as error:
            fault = fault_of(error)
            if began or scope["type"] != "http":
                raise ConnectionAbortedError("the answer broke off") from None
            await fault.response()(scope, receive, send)
