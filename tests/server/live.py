"""A server that really listens: uvicorn on a port of its own, in a thread, in front of an engine in another thread."""

import asyncio
import json
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx
import openai
import uvicorn
from fastapi import FastAPI

from octavo.model import Transformer
from octavo.server.app import build_app
from octavo.server.backend.service import Service
from octavo.server.routes.front import Front
from octavo.server.settings import ServerSettings
from tests.server.pretended import pretended_service


@dataclass(slots=True, kw_only=True)
class Live:
    """A running server and its clients."""

    url: str
    app: FastAPI
    service: Any
    loop: asyncio.AbstractEventLoop
    key: str = "none"
    http: httpx.Client = field(init=False)
    client: openai.OpenAI = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=60)
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=60)

    def post(self, path: str, **fields: object) -> httpx.Response:
        return self.http.post(path, json=fields)

    def chunks(self, path: str, **fields: object) -> list[dict[str, Any]]:
        """The events of a stream, which must be sound and end with [DONE]."""
        with self.http.stream("POST", path, json={**fields, "stream": True}) as response:
            assert response.status_code == 200, response.read()
            assert response.headers["content-type"].startswith("text/event-stream")
            events = response.read().decode("utf-8").split("\n\n")
        assert events[-2:] == ["data: [DONE]", ""]
        assert all(event.startswith("data: ") for event in events[:-1])
        return [json.loads(event.removeprefix("data: ")) for event in events[:-2]]

    def joined(self, path: str, **fields: object) -> dict[str, Any]:
        """The chunks of a stream put together as the whole answer that they stand for."""
        return join(self.chunks(path, **fields, stream_options={"include_usage": True}))

    def error(self, path: str, status: int = 400, **fields: object) -> dict[str, str | None]:
        response = self.post(path, **fields)
        assert response.status_code == status, response.text
        return dict(response.json()["error"])


def join(chunks: list[dict[str, Any]]) -> dict[str, Any]:
    """Puts chunks together: texts, lists and objects end to end, for anything else the last word counts."""
    whole: dict[str, Any] = {}
    for chunk in chunks:
        for choice in chunk.pop("choices"):
            place = whole.setdefault("choices", {}).setdefault(choice["index"], {})
            for name, value in choice.items():
                place[name] = _added(place.get(name), value)
        whole |= chunk
    whole["choices"] = [choice for _, choice in sorted(whole["choices"].items())]
    return whole


def _added(old: Any, new: Any) -> Any:
    if old is None or new is None:
        return old if new is None else new
    if isinstance(new, str | list):
        return old + new
    return {name: _added(old.get(name), new.get(name)) for name in (*old, *new)} if isinstance(new, dict) else new


@contextmanager
def live_server(
    model: Transformer,
    front: Front,
    *,
    settings: ServerSettings | None = None,
    eos_token_ids: frozenset[int] = frozenset(),
    slow: float = 0.0,
    **limits: int,
) -> Iterator[Live]:
    """Serves ``model`` until the block is left."""

    def open_service() -> AbstractAsyncContextManager[Service]:
        return pretended_service(model, eos_token_ids=eos_token_ids, slow=slow, **limits)

    with live_app(open_service, front, settings or ServerSettings()) as live:
        yield live


@contextmanager
def live_app(
    open_service: Callable[[], AbstractAsyncContextManager[Service]], front: Front, settings: ServerSettings
) -> Iterator[Live]:
    """Serves what ``open_service`` opens until the block is left."""
    ready = threading.Event()
    found: list[Live] = []
    server: list[uvicorn.Server] = []
    door = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        async with open_service() as service:
            app = build_app(service, front, settings)
            config = uvicorn.Config(app, log_level="critical", http="httptools", ws="none", lifespan="on")
            server.append(uvicorn.Server(config))
            port = door.getsockname()[1]
            key = settings.api_keys[0] if settings.api_keys else "none"
            loop = asyncio.get_running_loop()
            found.append(Live(url=f"http://127.0.0.1:{port}", app=app, service=service, loop=loop, key=key))
            ready.set()
            await server[0].serve(sockets=[door])

    thread = threading.Thread(target=lambda: asyncio.run(serve()), name="live server")
    thread.start()
    assert ready.wait(90)
    try:
        yield found[0]
    finally:
        found[0].http.close()
        found[0].client.close()
        server[0].should_exit = True
        thread.join(30)
        door.close()
