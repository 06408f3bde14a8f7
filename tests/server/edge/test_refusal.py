"""Refusals: OpenAI's form, told whether to try again, and nothing of a stranger's text as it came."""

import json

import pytest

from octavo.server.edge.refusal import TYPES, Refusal, shown


@pytest.mark.parametrize("status", TYPES)
def test_a_refusal_has_the_form_that_clients_read(status: int) -> None:
    refusal = Refusal(status=status, code="max_n", message="n is 17: want at most 16")
    error = json.loads(refusal.body)["error"]
    assert error == {"message": "n is 17: want at most 16", "type": TYPES[status], "param": None, "code": "max_n"}
    headers = dict(refusal.headers)
    assert headers[b"content-length"] == b"%d" % len(refusal.body)
    assert headers[b"x-should-retry"] == b"false"


def test_a_refusal_that_passes_says_when_to_try_again() -> None:
    headers = dict(Refusal(status=429, code="max_queue", message="full", retry_after=3).headers)
    assert headers[b"retry-after"] == b"3"
    assert b"x-should-retry" not in headers


def test_a_refusal_in_a_stream_ends_it() -> None:
    first, last, rest = Refusal(status=408, code="c", message="m").as_stream().split(b"\n\n")
    assert json.loads(first.removeprefix(b"data: "))["error"]["message"] == "m"
    assert (last, rest) == (b"data: [DONE]", b"")


@pytest.mark.parametrize("text", ["\x1b[31mred\r\nx: y", "é" * 1000, "'" * 100, "\ud800", ""])
def test_a_strangers_text_is_shown_short_escaped_and_on_one_line(text: str) -> None:
    found = shown(text)
    assert found.isascii()
    assert found.isprintable()
    assert len(found) < 40 * 10 + 8
