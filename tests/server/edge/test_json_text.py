"""JSON from a stranger: what is read, what is refused and in which words, and that no body of 2 MB takes long."""

import json
import time

import pytest

from octavo.errors import RequestError
from octavo.server.edge.json_text import read_json
from octavo.server.limits import Limits

LIMITS = Limits()


def nested(depth: int) -> bytes:
    return b'{"a":' + b"[" * (depth - 1) + b"1" + b"]" * (depth - 1) + b"}"


@pytest.mark.parametrize(
    "value",
    [
        {"prompt": 'a "quoted" [text] with {brackets}, \\ and , commas', "n": 1},
        [1, 2.5, -0.1234567890123456789, 1e10, 1e-300, True, None],
        {"ids": [[1, 2], [3]], "": {"": ""}},
        {"a": {"name": 1}, "b": {"name": 2}},
        "\x00 😀 é",
        12345678901234567890,
    ],
)
def test_ordinary_values_are_read_as_they_are(value: object) -> None:
    assert read_json(json.dumps(value).encode(), LIMITS) == value
    assert read_json(json.dumps(value, ensure_ascii=False).encode(), LIMITS) == value


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_is_none_is_refused(name: str) -> None:
    with pytest.raises(RequestError, match=f"^a number is {name}: want a finite one$"):
        read_json(f'{{"temperature": {name}}}'.encode(), LIMITS)


@pytest.mark.parametrize("number", ["1e999", "1E+400", "-1e0309", "1.5e100", "9" * 20 + "e289"])
def test_a_number_too_large_for_a_double_is_refused(number: str) -> None:
    with pytest.raises(RequestError, match=r"^a number has a power of ten of three digits: want one below 1e100$"):
        read_json(f'{{"temperature": {number}}}'.encode(), LIMITS)


def test_a_text_that_only_looks_like_such_a_number_is_read() -> None:
    value = {"prompt": "1e999 NaN " + "9" * 400}
    assert read_json(json.dumps(value).encode(), LIMITS) == value


@pytest.mark.parametrize(
    "half", [r"\ud800", r"\uDC00", r"\uDfFf\ud800", r"\\\ud9aB", r"\ud83d\\ude00", r"a\ud83d\u0041"]
)
def test_half_a_surrogate_pair_is_refused_in_every_spelling(half: str) -> None:
    for body in (f'{{"prompt": "{half}"}}', f'{{"{half}": 1}}'):
        with pytest.raises(RequestError, match=r"^a string holds half of a surrogate pair"):
            read_json(body.encode(), LIMITS)


def test_half_a_surrogate_pair_as_bytes_is_not_utf_8() -> None:
    with pytest.raises(RequestError, match=r"^the body is not UTF-8 at byte 1: "):
        read_json(b'"\xed\xa0\x80"', LIMITS)


def test_a_whole_pair_and_an_escaped_backslash_before_a_u_are_read() -> None:
    assert read_json(rb'"\ud83d\ude00"', LIMITS) == "😀"
    assert read_json(rb'"\\ud800"', LIMITS) == r"\ud800"


def test_depth_is_allowed_up_to_its_bound() -> None:
    read_json(nested(64), LIMITS)
    with pytest.raises(RequestError, match=r"^the body is 65 levels deep: want at most 64 \(max_json_depth\)$"):
        read_json(nested(65), LIMITS)


def test_brackets_in_strings_have_no_depth() -> None:
    read_json(json.dumps({"prompt": "[{" * 1000 + '\\"["'}).encode(), LIMITS)


def test_digits_are_allowed_up_to_their_bound() -> None:
    assert read_json(b"9" * 20, LIMITS) == int("9" * 20)
    for number in (b"9" * 21, b"[-" + b"1" * 6000 + b"]", b"1" * 400 + b".5"):
        with pytest.raises(RequestError, match=r"^a number is too long: want at most 20 digits \(max_json_digits\)$"):
            read_json(number, LIMITS)


def test_values_are_allowed_up_to_their_number() -> None:
    limits = Limits(max_json_values=100)
    read_json(json.dumps([1] * 99).encode(), limits)
    with pytest.raises(RequestError, match=r"values: want at most 100 \(max_json_values\)$"):
        read_json(json.dumps([1] * 101).encode(), limits)


def test_a_name_that_stands_twice_is_refused() -> None:
    with pytest.raises(RequestError, match=r"^the name 'n' stands twice in one object: want each once$"):
        read_json(b'{"a": {"n": 1, "m": 2, "n": 3}}', LIMITS)
    with pytest.raises(RequestError, match=r"^the name 'n' stands twice"):
        read_json(rb'{"n": 1, "\u006e": 3}', LIMITS)


def test_a_secret_is_not_repeated() -> None:
    for body in (b'{"secret": "hunter2"', b"hunter2", b'{"a": "hunter2\xff"}', b'"hunter2\\ud800"'):
        with pytest.raises(RequestError) as raised:
            read_json(body, LIMITS)
        assert "hunter" not in str(raised.value)
        assert "\n" not in str(raised.value)


HOSTILE = {
    "one long string": b'"' + b"a" * 1_999_990 + b'"',
    "escapes": b'{"p":"' + b'\\"' * 990_000 + b'"}',
    "a string without an end": b'"' + b'\\"' * 990_000,
    "pairs of brackets": b"[]" * 1_000_000,
    "open brackets": b"[" * 2_000_000,
    "empty strings": b'["",' * 500_000,
    "quotes": b'"' * 2_000_000,
    "short numbers": b"1 " * 1_000_000,
    "one long number": b"1" * 2_000_000,
    "points": b"1." * 1_000_000,
    "powers": b"1e" * 1_000_000,
    "powers and zeros": (b"1e" + b"0" * 18) * 100_000,
    "small objects": b"[" + b",".join([b'{"a":1}'] * 120_000) + b"]",
    "one name twice among many": b"{" + b",".join(b'"%d":1' % each for each in range(120_000)) + b',"7":1}',
    "pairs": b'["' + rb"\ud83d\ude00" * 160_000 + b'"]',
    "minus signs": b"-" * 2_000_000,
    "backslashes": b"\\" * 2_000_000,
}


@pytest.mark.parametrize("body", HOSTILE.values(), ids=HOSTILE)
def test_no_body_takes_long(body: bytes) -> None:
    start = time.process_time()
    try:
        read_json(body, LIMITS)
    except RequestError as error:
        assert len(str(error)) < 150
    # Measured: 0.2 s at most. What grows with the square of the length takes minutes.
    assert time.process_time() - start < 2
