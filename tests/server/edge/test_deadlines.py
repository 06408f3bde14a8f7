"""Deadlines: what takes too long is cancelled, and its client is told in the way that its answer still allows."""

import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from octavo.server.edge.deadlines import Deadline
from tests.server.asking import Answer, ask, repeat


class Lingering:
    """Sends what it is told to, then waits for ever; ``freed`` says whether it was told to end."""

    def __init__(self, *headers: tuple[bytes, bytes], begins: bool = True) -> None:
        self.headers = list(headers)
        self.begins = begins
        self.freed = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            if self.begins:
                await send({"type": "http.response.start", "status": 200, "headers": self.headers})
                await send({"type": "http.response.body", "body": b"data: {}\n\n", "more_body": True})
            await asyncio.Event().wait()
        finally:
            self.freed = True


def late(app: Lingering) -> Answer:
    answer = asyncio.run(ask(Deadline(app, seconds=0.05)))
    assert app.freed
    return answer


def test_a_request_in_time_is_left_alone() -> None:
    assert asyncio.run(ask(Deadline(repeat, seconds=5), b"{}")).body == b"{}"


def test_before_the_answer_it_is_408_and_no_client_tries_again_by_itself() -> None:
    answer = late(Lingering(begins=False))
    assert (answer.status, json.loads(answer.body)["error"]["code"]) == (408, "request_timeout")
    assert answer.headers[b"x-should-retry"] == b"false"


def test_in_a_stream_it_is_an_error_and_the_end() -> None:
    answer = late(Lingering((b"content-type", b"text/event-stream; charset=utf-8")))
    assert (answer.status, answer.ended) == (200, True)
    first, error, done, _ = answer.body.split(b"\n\n")
    assert first == b"data: {}"
    assert json.loads(error.removeprefix(b"data: "))["error"]["code"] == "request_timeout"
    assert done == b"data: [DONE]"


def test_in_any_other_answer_the_connection_breaks() -> None:
    app = Lingering((b"content-type", b"application/json"))
    with pytest.raises(ConnectionAbortedError):
        late(app)
    assert app.freed


def test_a_timeout_of_the_applications_own_passes() -> None:
    async def fails(scope: Scope, receive: Receive, send: Send) -> None:
        raise TimeoutError("its own")

    with pytest.raises(TimeoutError, match="its own"):
        asyncio.run(ask(Deadline(fails, seconds=5)))


def test_a_body_that_never_ends_counts() -> None:
    answer = asyncio.run(ask(Deadline(repeat, seconds=0.05), []))
    assert answer.status == 408
