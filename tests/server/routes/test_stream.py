"""A stream is whole events; what fails before the first has a status, what fails later is an event."""

import asyncio
import json
from typing import Any

from octavo.errors import RequestError
from octavo.server.backend.service import EngineDead
from octavo.server.routes import stream
from octavo.server.routes.stream import EventStream


async def stay() -> Any:
    await asyncio.Event().wait()


def sent_by(write: Any, receive: Any = stay) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    asyncio.run(EventStream(write, headers={"x-request-id": "7"})({"type": "http"}, receive, send))
    return sent


def bodies(sent: list[dict[str, Any]]) -> list[bytes]:
    return [message["body"] for message in sent if message["type"] == "http.response.body"]


def test_events_are_told_in_order_and_the_end_is_said() -> None:
    async def write(emit: Any) -> None:
        await emit({"text": "a\nb\u2028"})
        await emit({"text": "ü"})

    sent = sent_by(write)
    assert sent[0]["status"] == 200
    headers = dict(sent[0]["headers"])
    assert headers[b"content-type"].startswith(b"text/event-stream")
    assert headers[b"cache-control"] == b"no-cache" and headers[b"x-request-id"] == b"7"
    assert b"content-length" not in headers
    expected = ['data: {"text":"a\\nb\u2028"}\n\n', 'data: {"text":"ü"}\n\n', "data: [DONE]\n\n", ""]
    assert bodies(sent) == [each.encode() for each in expected]
    assert [message["more_body"] for message in sent[1:]] == [True, True, True, False]


def test_what_fails_before_the_first_event_has_a_status() -> None:
    async def write(emit: Any) -> None:
        raise RequestError("the schema is wrong")

    sent = sent_by(write)
    assert sent[0]["status"] == 400
    assert json.loads(bodies(sent)[0])["error"]["message"] == "the schema is wrong"


def test_what_fails_later_is_an_event_and_the_stream_ends() -> None:
    async def write(emit: Any) -> None:
        await emit({"text": "a"})
        raise EngineDead("secret of the engine")

    told = bodies(sent_by(write))
    error = json.loads(told[1].removeprefix(b"data: "))["error"]
    assert error["type"] == "unavailable" and "secret" not in error["message"]
    assert told[2:] == [b"data: [DONE]\n\n", b""]


def test_a_silent_answer_sends_its_headers_alone(monkeypatch: Any) -> None:
    monkeypatch.setattr(stream, "SILENCE_S", 0.01)
    seen: list[int] = []
    sent: list[dict[str, Any]] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def write(emit: Any) -> None:
        await asyncio.sleep(0.05)
        seen.append(len(sent))
        await emit({})

    asyncio.run(EventStream(write, headers={})({"type": "http"}, stay, send))
    assert seen == [1]
    assert [message["type"] for message in sent].count("http.response.start") == 1


def test_when_the_client_leaves_the_writing_is_cancelled() -> None:
    ended: list[str] = []

    async def write(emit: Any) -> None:
        try:
            await emit({})
            await asyncio.Event().wait()
        finally:
            ended.append("cleared up")

    async def leave() -> Any:
        await asyncio.sleep(0.01)
        return {"type": "http.disconnect"}

    sent = sent_by(write, leave)
    assert ended == ["cleared up"]
    assert bodies(sent) == [b"data: {}\n\n"]


def test_a_deadline_around_it_clears_up_too() -> None:
    ended: list[str] = []

    async def write(emit: Any) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cleared up")

    async def run() -> None:
        async def send(message: Any) -> None:
            raise AssertionError("nothing was to be sent")

        try:
            async with asyncio.timeout(0.02):
                await EventStream(write, headers={})({"type": "http"}, stay, send)
        except TimeoutError:
            ended.append("in time")

    asyncio.run(run())
    assert ended == ["cleared up", "in time"]
