"""A server that really listens: uvicorn on a port of its own, in a thread, in front of an engine in another thread."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import httpx
import openai
import uvicorn
from fastapi import FastAPI

from octavo.model import Transformer
from octavo.server.app import build_app
from octavo.server.front import Front
from octavo.server.settings import ServerSettings
from tests.server.pretended import PretendedService, pretended_service


@dataclass(slots=True, kw_only=True)
class Live:
    """A running server and its clients."""

    url: str
    app: FastAPI
    service: PretendedService
    loop: asyncio.AbstractEventLoop
    key: str = "none"
    http: httpx.Client = field(init=False)
    client: openai.OpenAI = field(init=False)

    def __post_init__(self) -> None:
        self.http = httpx.Client(base_url=self.url, headers={"authorization": f"Bearer {self.key}"}, timeout=60)
        self.client = openai.OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=60)

    def post(self, path: str, **fields: object) -> httpx.Response:
        return self.http.post(path, json=fields)

    def error(self, path: str, status: int = 400, **fields: object) -> dict[str, str | None]:
        response = self.post(path, **fields)
        assert response.status_code == status, response.text
        return dict(response.json()["error"])


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
    settings = settings or ServerSettings()
    ready = threading.Event()
    found: list[Live] = []
    server: list[uvicorn.Server] = []
    door = socket.create_server(("127.0.0.1", 0))

    async def serve() -> None:
        async with pretended_service(model, eos_token_ids=eos_token_ids, slow=slow, **limits) as service:
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
    assert ready.wait(30)
    try:
        yield found[0]
    finally:
        found[0].http.close()
        found[0].client.close()
        server[0].should_exit = True
        thread.join(30)
        door.close()
