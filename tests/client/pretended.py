"""A small server of OpenAI's interface that says what it was told in upper case: enough for its clients, no model."""

import asyncio
import contextlib
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping
from dataclasses import dataclass, field
from typing import Any

import uvicorn

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
LAYERS, EXPERTS = 3, 4


@dataclass(slots=True)
class Pretended:
    """An ASGI app. It answers ``refusals`` requests with ``refusal`` before it serves; a token takes ``seconds``."""

    refusals: int = 0
    refusal: int = 429
    seconds: float = 0.0
    key: str | None = None
    tells_routing: bool = True
    breaks_after: int | None = None
    asked: Counter[str] = field(default_factory=Counter)
    at_once: int = 0
    most_at_once: int = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise NotImplementedError
        body = b""
        while True:
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await self._answer(scope, body, send)
        finally:
            self.at_once -= 1

    async def _answer(self, scope: Scope, body: bytes, send: Send) -> None:
        path = scope["path"]
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        if self.key is not None and headers.get("authorization") != f"Bearer {self.key}":
            return await _json(send, 401, {"error": {"message": "no such key", "type": "authentication_error"}})
        if path == "/v1/models":
            return await _json(send, 200, {"object": "list", "data": [{"id": "shouter", "object": "model"}]})
        if path == "/v1/routing/stats" and self.tells_routing:
            layers = [{"layer": layer, "expert_share": [1 / EXPERTS] * EXPERTS} for layer in range(LAYERS)]
            return await _json(send, 200, {"since_start": {"layers": layers}})
        if path not in ("/v1/completions", "/v1/chat/completions"):
            return await _json(send, 404, {"error": {"message": f"nothing at {path}", "type": "not_found"}})
        if self.refusals:
            self.refusals -= 1
            error = {"error": {"message": "too busy", "type": "overloaded"}}
            return await _json(send, self.refusal, error, [(b"retry-after", b"0")])
        asked = json.loads(body)
        said = asked["messages"][-1]["content"] if "chat" in path else asked["prompt"]
        self.asked[str(said)] += 1
        if said == "bad":
            return await _json(send, 400, {"error": {"message": "that is bad", "type": "invalid_request_error"}})
        return await self._say(path, asked, str(said).upper().split(" ") * (2 if said == "twice" else 1), send)

    async def _say(self, path: str, asked: dict[str, Any], words: list[str], send: Send) -> None:
        chat = "chat" in path
        words = [word if place == 0 else " " + word for place, word in enumerate(words)][: asked.get("max_tokens", 99)]
        usage = {"prompt_tokens": 7, "completion_tokens": len(words), "total_tokens": 7 + len(words)}
        opening = {"id": "cmpl-1", "object": "chat.completion" if chat else "text_completion", "model": "shouter"}
        if not asked.get("stream"):
            await asyncio.sleep(self.seconds * len(words))
            text = {"message": {"role": "assistant", "content": "".join(words)}} if chat else {"text": "".join(words)}
            routing = {"routed_experts": [[[0, 1]] * LAYERS] * len(words)} if asked.get("routing") else {}
            choice = {"index": 0, "finish_reason": "stop"} | text | routing
            return await _json(send, 200, opening | {"choices": [choice], "usage": usage})
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        async for chunk in self._chunks(words, chat=chat, routing=bool(asked.get("routing"))):
            await _event(send, json.dumps(opening | {"choices": [chunk]}))
        if self.breaks_after is not None:
            await _event(send, json.dumps({"error": {"message": "the engine has died", "type": "unavailable"}}))
        elif asked.get("stream_options", {}).get("include_usage"):
            await _event(send, json.dumps(opening | {"choices": [], "usage": usage}))
        await _event(send, "[DONE]")
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _chunks(self, words: list[str], *, chat: bool, routing: bool) -> AsyncIterator[dict[str, Any]]:
        """One chunk a word; the routing of a word comes with the next, that of the last is -1."""
        for place, word in enumerate(words[: self.breaks_after]):
            await asyncio.sleep(self.seconds)
            last = place == len(words) - 1
            chunk: dict[str, Any] = {"index": 0, "finish_reason": "stop" if last else None}
            chunk |= {"delta": {"content": word}} if chat else {"text": word}
            if routing:
                rows = [[[(place - 1) % EXPERTS, 3]] * LAYERS] * (place > 0) + [[[-1, -1]] * LAYERS] * last
                chunk |= {"tokens": [word], "token_ids": [place], "routed_experts": rows}
            yield chunk


async def _json(send: Send, status: int, body: object, headers: list[tuple[bytes, bytes]] | None = None) -> None:
    headers = [(b"content-type", b"application/json"), *(headers or [])]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})


async def _event(send: Send, text: str) -> None:
    await send({"type": "http.response.body", "body": f"data: {text}\n\n".encode(), "more_body": True})


@contextlib.contextmanager
def listening(app: Pretended) -> Iterator[str]:
    """The app on a free port of this machine, and its address."""
    server = uvicorn.Server(uvicorn.Config(app, port=0, log_level="critical", lifespan="off", ws="none"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        threading.Event().wait(0.01)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join()
