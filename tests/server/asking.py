"""Asks an ASGI application without a network: what it answered, message by message."""

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

JSON = ((b"content-type", b"application/json"),)


@dataclass(slots=True)
class Answer:
    """What an application sent."""

    messages: list[Message] = field(default_factory=list)
    scope: Scope = field(default_factory=dict)

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"]) if self.messages else 0

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self.messages[0]["headers"])

    @property
    def body(self) -> bytes:
        return b"".join(message["body"] for message in self.messages[1:])

    @property
    def ended(self) -> bool:
        return not self.messages[-1].get("more_body", False)


async def ask(
    app: ASGIApp,
    parts: bytes | Iterable[bytes] = b"",
    *,
    path: str = "/json",
    method: str = "POST",
    headers: Iterable[tuple[bytes, bytes]] = JSON,
    client: str = "a",
    goes: bool = False,
) -> Answer:
    """Sends ``parts`` as the body, then waits, or with ``goes`` leaves before the last of them."""
    answer = Answer()
    pieces = [parts] if isinstance(parts, bytes) else list(parts)
    waiting = iter(pieces)
    left = len(pieces)

    async def receive() -> Message:
        nonlocal left
        await asyncio.sleep(0)
        left -= 1
        if left < 0:
            await asyncio.Event().wait()
        if goes and left == 0:
            return {"type": "http.disconnect"}
        return {"type": "http.request", "body": next(waiting), "more_body": left > 0}

    async def send(message: Message) -> None:
        await asyncio.sleep(0)
        answer.messages.append(message)

    answer.scope = {"type": "http", "method": method, "path": path, "headers": list(headers), "client": (client, 1)}
    await app(answer.scope, receive, send)
    return answer


async def read_body(receive: Receive) -> bytes:
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message["body"], message["more_body"]
    return body


async def respond(send: Send, body: bytes, **headers: str) -> None:
    listed = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    await send({"type": "http.response.start", "status": 200, "headers": listed})
    await send({"type": "http.response.body", "body": body})


async def repeat(scope: Scope, receive: Receive, send: Any) -> None:
    """Answers with what it read."""
    await respond(send, await read_body(receive))
