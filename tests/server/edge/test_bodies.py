"""Bodies: received whole and within bounds, and JSON only where it is said and sound."""

import asyncio
import json

import pytest
from starlette.types import Receive, Scope, Send

from octavo.server.edge.bodies import Bodies
from octavo.server.limits import Limits
from tests.server.asking import JSON, Answer, ask, repeat

LIMITS = Limits(max_body_bytes=2_000, max_pending_bytes=3_000)


def try_body(*parts: bytes, **how: object) -> Answer:
    return asyncio.run(ask(Bodies(repeat, limits=LIMITS, json_paths={"/json"}), parts, **how))  # type: ignore[arg-type]


def code_of(answer: Answer) -> str:
    return str(json.loads(answer.body)["error"]["code"])


def test_a_sound_body_arrives_whole_and_parsed() -> None:
    answer = try_body(b'{"a"', b"", b": 1}")
    assert (answer.status, answer.body) == (200, b'{"a": 1}')
    assert answer.scope["state"]["json"] == {"a": 1}


def test_a_body_is_taken_up_to_its_bound() -> None:
    assert try_body(b'"' + b"a" * 1_998 + b'"').status == 200
    answer = try_body(b'"' + b"a" * 1_999 + b'"')
    assert (answer.status, code_of(answer)) == (413, "max_body_bytes")
    assert try_body(*[b"a" * 100] * 21, path="/other").status == 413


@pytest.mark.parametrize("length", [b"2001", b"9" * 30, b"9" * 5000])
def test_a_body_that_says_it_is_too_large_is_refused_before_it_comes(length: bytes) -> None:
    answer = try_body(headers=[*JSON, (b"content-length", length)])
    assert (answer.status, code_of(answer)) == (413, "max_body_bytes")


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b'{"a": NaN}', rb'{"a": "\ud800"}', b'{"a": 1, "a": 2}'])
def test_json_that_is_not_sound_is_400(body: bytes) -> None:
    answer = try_body(body)
    assert (answer.status, code_of(answer)) == (400, "invalid_json")


def test_other_paths_and_methods_take_any_body() -> None:
    for how in ({"path": "/other"}, {"method": "PUT"}, {"method": "GET"}):
        assert try_body(b"\xff{", headers=[], **how).body == b"\xff{"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(b"content-type", b"text/plain")],
        [(b"content-type", b"application/x-www-form-urlencoded")],
        [(b"content-type", b"\xff\x1b[31m")],
        [(b"content-type", b"application/json; charset=utf-16")],
        [*JSON, (b"content-encoding", b"gzip")],
    ],
)
def test_what_does_not_say_that_it_is_plain_json_is_400(headers: list[tuple[bytes, bytes]]) -> None:
    answer = try_body(b"{}", headers=headers)
    assert (answer.status, code_of(answer)) == (400, "invalid_content_type")
    assert answer.body.isascii()
    assert b"\x1b" not in answer.body


@pytest.mark.parametrize(
    "kind", [b"application/json", b"Application/JSON; charset=UTF-8", b'application/json;charset="utf-8"']
)
def test_json_may_say_so_in_several_ways(kind: bytes) -> None:
    assert try_body(b"{}", headers=[(b"content-type", kind), (b"content-encoding", b"identity")]).status == 200


def test_a_client_that_goes_while_sending_is_answered_nothing() -> None:
    assert try_body(b'{"a"', b": 1}", goes=True).messages == []


def test_bodies_that_come_together_share_one_bound_and_give_it_back() -> None:
    bodies = Bodies(repeat, limits=LIMITS, json_paths=())

    async def three() -> list[int]:
        parts = [b"a" * 100] * 15
        return [answer.status for answer in await asyncio.gather(*(ask(bodies, parts) for _ in range(3)))]

    for _ in range(2):
        statuses = asyncio.run(three())
        assert sorted(statuses)[0] == 200
        assert sorted(statuses)[-1] == 429
    assert asyncio.run(ask(bodies, b"a" * 2_000)).status == 200


def test_what_is_no_request_passes() -> None:
    seen = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def nothing() -> dict[str, str]:
        return {}

    async def nowhere(message: object) -> None:
        return None

    asyncio.run(Bodies(app, limits=LIMITS, json_paths=())({"type": "lifespan"}, nothing, nowhere))
    assert seen == ["lifespan"]
