"""The guards in their order, over a real connection: each ring does its part, and a sound request passes all."""

import json
import time
from collections.abc import Iterator

import pytest
from starlette.types import Receive, Scope, Send

from octavo.server.edge.guards import guarded
from octavo.server.edge.overload import Places
from octavo.server.limits import Limits
from tests.server.asking import read_body, respond
from tests.server.serving import Served, read_all, serving, status_of, wait_until

LIMITS = Limits(request_timeout=0.5, max_body_bytes=5_000, body_timeout=5, reader_timeout=0.6)
PLACES = Places(4)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    body = await read_body(receive)
    if body == b'"wait"':
        await receive()
        return
    answer = b"a" * int(scope["state"]["json"])
    await respond(send, answer, content_length=str(len(answer)))


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    paths = {"/json"}
    with serving(guarded(app, limits=LIMITS, places=PLACES, json_paths=paths, costly_paths=paths), LIMITS) as served:
        yield served


def post(body: bytes, *, length: int | None = None) -> bytes:
    head = b"POST /json HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: "
    return head + b"%d\r\n\r\n" % (len(body) if length is None else length) + body


def error_of(answer: bytes) -> tuple[int, str]:
    return status_of(answer), json.loads(answer.split(b"\r\n\r\n", 1)[1])["error"]["code"]


def test_a_sound_request_is_answered_in_full_however_large_the_answer(served: Served) -> None:
    for length in (3, 20_000_000):
        answer = served.exchange(post(b"%d" % length))
        assert (status_of(answer), len(answer.split(b"\r\n\r\n", 1)[1])) == (200, length)


def test_a_body_too_large_is_answered_though_it_is_still_being_sent(served: Served) -> None:
    start = time.monotonic()
    answer = served.exchange(post(b"a" * 50_000))
    assert error_of(answer) == (413, "max_body_bytes")
    assert time.monotonic() - start < 3
    assert error_of(served.exchange(post(b"{")))[0] == 400


def test_too_long_is_408(served: Served) -> None:
    assert error_of(served.exchange(post(b'"wait"'))) == (408, "request_timeout")
    assert PLACES.taken == 0


def test_slow_senders_hold_no_place(served: Served) -> None:
    slow = [served.connect() for _ in range(10)]
    for each in slow:
        each.sendall(post(b"1", length=100))
    wait_until(lambda: served.num_tasks == 10)
    assert PLACES.taken == 0
    assert status_of(served.exchange(post(b"3"))) == 200
    for each in slow:
        each.close()
    wait_until(lambda: served.num_tasks == 0)


def test_a_full_house_refuses_and_a_client_that_goes_frees_its_place(served: Served) -> None:
    waiting = [served.connect() for _ in range(4)]
    for each in waiting:
        each.sendall(post(b'"wait"'))
    wait_until(lambda: PLACES.taken == 4)
    assert error_of(served.exchange(post(b"3"))) == (429, "max_queue")
    for each in waiting:
        each.close()
    wait_until(lambda: PLACES.taken == 0, seconds=0.4)


def test_a_reader_of_a_large_answer_who_stops_frees_its_place(served: Served) -> None:
    with served.connect(receive_buffer=4096) as plain:
        plain.sendall(post(b"50000000"))
        wait_until(lambda: PLACES.taken == 1)
        wait_until(lambda: PLACES.taken == 0)
        assert len(read_all(plain)) < 50_000_000
