"""The wire reads what a server answers, opens a connection anew, and says when there is none."""

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from benchmarks.promises.wire import Broken, Wire
from octavo.server.limits import Limits
from tests.server.asking import read_body
from tests.server.serving import echo, serving


async def in_chunks(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(receive)
    await send({"type": "http.response.start", "status": 201, "headers": []})
    await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": b"!"})


def test_answers_of_a_known_and_of_an_unknown_length_are_read() -> None:
    async def scene(port: int) -> list[tuple[int, bytes]]:
        wire = Wire(port)
        found = [await wire.post("/", b"abc") for _ in range(3)]
        await wire.close()
        return found

    with serving(echo, Limits()) as served:
        assert asyncio.run(scene(served.port)) == [(200, b"3")] * 3
    with serving(in_chunks, Limits()) as served:
        assert asyncio.run(scene(served.port)) == [(201, b"abc!")] * 3


def test_a_connection_that_was_closed_while_it_rested_is_opened_anew() -> None:
    async def scene(port: int) -> int:
        wire = Wire(port)
        await wire.post("/", b"a")
        await asyncio.sleep(0.5)
        status, _ = await wire.post("/", b"a")
        await wire.close()
        return status

    with serving(echo, Limits(keep_alive_timeout=0.1)) as served:
        assert asyncio.run(scene(served.port)) == 200


def test_no_server_is_told() -> None:
    with serving(echo, Limits()) as served:
        port = served.port
    with pytest.raises(Broken):
        asyncio.run(Wire(port).post("/", b"a"))
