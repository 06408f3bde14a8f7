"""A trivial application behind uvicorn with our protocol, in a thread; and raw sockets to try it with."""

import asyncio
import contextlib
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from typing import Any

import uvicorn

from octavo.server.edge.protocol import protocol_with
from octavo.server.limits import Limits

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]


class Served:
    """A server that runs; ``connections`` and ``tasks`` are uvicorn's own."""

    def __init__(self, server: uvicorn.Server, port: int) -> None:
        self.server = server
        self.port = port

    @property
    def num_connections(self) -> int:
        return len(self.server.server_state.connections)

    @property
    def num_tasks(self) -> int:
        return len(self.server.server_state.tasks)

    def connect(self, *, timeout: float = 10, receive_buffer: int | None = None) -> socket.socket:
        """A plain connection to it."""
        plain = socket.socket()
        if receive_buffer is not None:
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        plain.settimeout(timeout)
        plain.connect(("127.0.0.1", self.port))
        return plain

    def exchange(self, sent: bytes, *, timeout: float = 10) -> bytes:
        """All that comes back for these bytes until the server closes or rests for as long."""
        with self.connect(timeout=timeout) as plain:
            with contextlib.suppress(ConnectionError):
                plain.sendall(sent)
            return read_all(plain)


@contextlib.contextmanager
def serving(app: App, limits: Limits, *, loop: str = "auto") -> Iterator[Served]:
    """Serves ``app`` on a free port of the loopback address until the block ends."""
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    config = uvicorn.Config(
        app,  # type: ignore[arg-type]
        http=protocol_with(limits),  # type: ignore[arg-type]
        loop=loop,
        lifespan="off",
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=1,
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    try:
        yield Served(server, listener.getsockname()[1])
    finally:
        server.should_exit = True
        thread.join(10)
        listener.close()


def wait_until(holds: Callable[[], bool], *, seconds: float = 10) -> None:
    """Waits for it, and fails loudly."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.005)


def read_all(plain: socket.socket) -> bytes:
    """What comes until the other side closes, or its patience ends."""
    parts = []
    with contextlib.suppress(ConnectionError, TimeoutError):
        while part := plain.recv(1 << 20):
            parts.append(part)
    return b"".join(parts)


def status_of(answer: bytes) -> int:
    """The status of the first answer; 0 where there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1 ") else 0


async def echo(scope: Message, receive: Any, send: Any) -> None:
    """Answers with the length of what it read and the names of the headers that it saw."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body, more = body + message.get("body", b""), message.get("more_body", False)
    names = b",".join(name for name, _ in scope["headers"])
    answer = b"%d" % len(body)
    headers = [(b"x-names", names), (b"content-length", b"%d" % len(answer))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})


async def endless(scope: Message, receive: Any, send: Any) -> None:
    """Streams for as long as anybody reads."""
    await send({"type": "http.response.start", "status": 200, "headers": []})
    gone = asyncio.ensure_future(wait_for_end(receive))
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * 16_384, "more_body": True})
        await asyncio.sleep(0)


async def wait_for_end(receive: Any) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
