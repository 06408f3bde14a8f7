"""With keys every path is closed but four, whoever wrote it; a key is found by no shortcut and stands in no text."""

import asyncio
import http.client
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute
from starlette.types import Scope

from octavo import LLM
from octavo.server.routes.front import Front
from octavo.server.routes.keys import Gate, Keys, is_public, key_of, owner_of
from octavo.server.settings import ServerSettings
from tests.server.live import Live, live_app
from tests.server.scripted import scripted_service

KEYS = ("first-key-of-two", "second-key-of-two")
OPEN = {"/", "/favicon.svg", "/health", "/version"}


@pytest.fixture(scope="module")
def closed(front: Front) -> Iterator[Live]:
    settings = ServerSettings(api_keys=KEYS)
    with live_app(lambda: scripted_service([[5, 6]], vocab_size=8192), front, settings) as live:
        yield live


def routes(live: Live) -> list[tuple[str, str]]:
    """Every method of every route that the application has, and the paths that belong to the framework."""
    found = []
    for route in walk(live.app.routes):
        path = getattr(route, "path", "")
        for method in getattr(route, "methods", None) or {"GET"}:
            found.append((method, path.replace("{request_id}", "x").replace("{model:path}", "x")))
    assert len(found) > 12
    return found


def walk(listed: Any) -> Iterator[Any]:
    """Routes, and those inside of what was included."""
    for route in listed:
        inner = getattr(route, "routes", None) or getattr(getattr(route, "original_router", None), "routes", None)
        if inner and not isinstance(route, APIRoute):
            yield from walk(inner)
        else:
            yield route


def test_every_route_but_four_wants_a_key(closed: Live) -> None:
    with httpx.Client(base_url=closed.url) as stranger:
        for method, path in routes(closed):
            status = stranger.request(method, path).status_code
            public = path in OPEN or path.startswith("/assets/")
            assert (status != 401) == public, (method, path, status)


def status_of(live: Live, path: str, headers: dict[str, str] | None = None) -> int:
    """The status of a path sent as it is written, which most clients would not do."""
    connection = http.client.HTTPConnection(live.url.removeprefix("http://"), timeout=10)
    try:
        connection.request("GET", path, headers=headers or {})
        return connection.getresponse().status
    finally:
        connection.close()


@pytest.mark.parametrize(
    "path",
    ["/v1/models", "/health/", "//health", "/health/../v1/models", "/%2e/v1/models", "/nothing", "/assets", "/docs",
     "/redoc", "/HEALTH", "/v1/models?x=/health", "/favicon.svg/..", "/metrics", "/openapi.json"],
)  # fmt: skip
def test_what_only_looks_like_an_open_path_is_closed(closed: Live, path: str) -> None:
    assert status_of(closed, path) == 401


def test_a_path_under_the_open_folder_leads_nowhere_else(closed: Live) -> None:
    for path in ("/assets/../v1/models", "/assets/%2e%2e/v1/models", "/assets/..%2fv1/models", "/assets/x", "/assets/"):
        assert status_of(closed, path) == 404, path


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("header", ["authorization", "x-api-key"])
def test_each_key_opens_by_either_header(closed: Live, key: str, header: str) -> None:
    value = f"Bearer {key}" if header == "authorization" else key
    assert httpx.get(f"{closed.url}/v1/models", headers={header: value}).status_code == 200


@pytest.mark.parametrize(
    "value", ["", "Bearer", "first-key-of-two", "Bearer first-key-of-tw", "Basic first-key-of-two",
              "Bearer first-key-of-two,second-key-of-two", "Bearer \xe9"]
)  # fmt: skip
def test_a_wrong_key_is_refused_in_our_form(closed: Live, value: str) -> None:
    with httpx.Client(headers={"authorization": value.encode("latin-1")}) as stranger:
        response = stranger.get(f"{closed.url}/v1/models")
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert response.json()["error"]["type"] == "authentication_error"
    assert "first" not in response.text and "second" not in response.text


def test_a_strangers_body_is_not_read(closed: Live) -> None:
    with httpx.Client() as stranger:
        assert stranger.post(f"{closed.url}/v1/completions", content=b"{" * 1_000_000).status_code == 401


def test_without_keys_everybody_may() -> None:
    assert not Keys()
    assert Keys(["x"]) and Keys(["x"]).admit("x") and not Keys(["x"]).admit("y")


def test_every_key_is_compared_whichever_is_right(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[bytes] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append(other)
        return one == other

    monkeypatch.setattr("octavo.server.routes.keys.hmac.compare_digest", compare)
    keys = Keys(["a", "b", "c"])
    for given in ("a", "b", "c", "d"):
        compared.clear()
        keys.admit(given)
        assert len(compared) == 3


def test_only_the_page_health_and_version_are_public() -> None:
    assert all(is_public(path) for path in OPEN | {"/assets/page.js"})
    assert not any(is_public(path) for path in ("/v1/models", "/assets", "/load", "", "/health2"))


def test_a_sender_is_told_apart_by_the_key_alone() -> None:
    def scope(*headers: tuple[bytes, bytes]) -> Scope:
        return {"type": "http", "headers": list(headers)}

    assert key_of(scope()) is None and owner_of(scope()) == b""
    bearer, plain = scope((b"authorization", b"bearer abc")), scope((b"x-api-key", b"abc"))
    assert key_of(bearer) == key_of(plain) == b"abc"
    assert owner_of(bearer) == owner_of(plain) != owner_of(scope((b"x-api-key", b"abd")))


async def pass_nothing(*given: Any) -> None:
    raise AssertionError("nothing comes here")


def test_a_gate_without_a_key_lets_nothing_through() -> None:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "path": "/v1/models", "method": "GET", "headers": []}
    asyncio.run(Gate(pass_nothing, keys=Keys(["k"]))(scope, pass_nothing, send))
    assert sent[0]["status"] == 401


def test_a_key_stands_in_no_representation(mini: LLM) -> None:
    settings = ServerSettings(api_keys=KEYS)
    assert KEYS[0] not in repr(settings) and KEYS[0] not in repr(Keys(KEYS).__dict__)
