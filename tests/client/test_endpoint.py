"""An address and a key become a server; what goes wrong with it is told in one line."""

import httpx2
import pytest

from octavo.client.endpoint import (
    Endpoint,
    ServerError,
    error_message,
    find_endpoint,
    is_here,
    read_chunk,
    refusal,
    unreachable,
)
from octavo.errors import RequestError

HERE = Endpoint(url="http://127.0.0.1:8000")


@pytest.mark.parametrize("given", ["http://h:1", "http://h:1/", "http://h:1/v1", " http://h:1/v1/ "])
def test_an_address_may_have_its_v1_or_not(given: str) -> None:
    assert find_endpoint(given).url == "http://h:1"


def test_a_server_may_lie_below_a_path() -> None:
    assert find_endpoint("https://h/models/v1").url == "https://h/models"


@pytest.mark.parametrize(
    "given", ["", "localhost:8000", "ftp://h", "http://", "http://h?a=1", "http://u:p@h", "http://h:x"]
)
def test_what_is_no_address_is_refused(given: str) -> None:
    with pytest.raises(RequestError, match="--url"):
        find_endpoint(given)


def test_the_key_comes_from_the_environment_and_is_never_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "theirs")
    assert find_endpoint("http://h").headers == {"Authorization": "Bearer theirs"}
    monkeypatch.setenv("OCTAVO_API_KEY", " ours\n")
    found = find_endpoint("http://h")
    assert found.headers == {"Authorization": "Bearer ours"}
    assert "ours" not in repr(found)


def test_of_a_servers_several_keys_the_first_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_API_KEY", "first, second")
    assert find_endpoint("http://h").key == "first"


def test_a_key_that_no_header_can_carry_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OCTAVO_API_KEY", "a\nb")
    with pytest.raises(RequestError, match="API key"):
        find_endpoint("http://h")


@pytest.mark.parametrize(("host", "here"), [("localhost", True), ("127.0.0.3", True), ("::1", True), ("h", False)])
def test_a_proxy_never_leads_back_into_this_machine(host: str, here: bool) -> None:
    assert is_here(host) is here


@pytest.mark.parametrize(
    ("status", "kind", "found"),
    [
        (400, RequestError, "answers 400: too long"),
        (401, RequestError, "set OCTAVO_API_KEY"),
        (429, ServerError, "answers 429"),
        (503, ServerError, "answers 503"),
    ],
)
def test_a_refusal_says_whose_fault_it_is(status: int, kind: type[Exception], found: str) -> None:
    error = refusal(status, b'{"error": {"message": "too\\n long"}}', HERE)
    assert isinstance(error, kind)
    assert found in str(error)
    assert "\n" not in str(error)


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b'{"error": {"message": "m"}}', "m"),
        (b'{"error": "m"}', "m"),
        (b'{"detail": [1]}', "[1]"),
        (b"<html>", "<html>"),
        (b"\xff", "\ufffd"),
    ],
)
def test_errors_of_other_servers_are_read_too(body: bytes, found: str) -> None:
    assert error_message(body) == found


def test_a_long_error_is_cut() -> None:
    assert len(error_message(b"x" * 5000)) == 300


@pytest.mark.parametrize(
    ("error", "found"),
    [
        (httpx2.ConnectError("refused"), "nothing answers"),
        (httpx2.ReadTimeout(""), "said nothing for too long"),
        (httpx2.RemoteProtocolError("eof"), "broke off"),
    ],
)
def test_a_broken_connection_is_told(error: httpx2.TransportError, found: str) -> None:
    assert found in str(unreachable(error, HERE))


def test_a_stream_ends_at_done_and_tells_its_errors() -> None:
    assert read_chunk("[DONE]", HERE) is None
    assert read_chunk('{"a": 1}', HERE) == {"a": 1}
    with pytest.raises(ServerError, match="the engine has died"):
        read_chunk('{"error": {"message": "the engine has died"}}', HERE)
    with pytest.raises(ServerError, match="no JSON object"):
        read_chunk("[1]", HERE)
