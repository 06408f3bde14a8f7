"""Strict JSON: one object, each name once, finite numbers, a bounded length, and errors of one line."""

import os
from pathlib import Path

import pytest

from octavo.checkpoint.json_file import dump, parse_object, plain, read_object
from octavo.errors import CheckpointError, ConfigError

WRONG = {
    "NaN": '{"a": NaN}',
    "infinite": '{"a": -Infinity}',
    "past float64": '{"a": 1e999}',
    "huge integer": '{"a": ' + "9" * 10_000 + "}",
    "twice": '{"a": 1, "a": 1}',
    "twice within": '{"b": {"a": 1, "a": 2}}',
    "deep": '{"a":' * 50_000,
    "deep lists": "[" * 200_000,
    "a list": "[1]",
    "a word": '"a"',
    "nothing": "",
    "cut": '{"a": 1',
    "more than one": '{"a": 1} {"a": 1}',
    "with a mark": '\ufeff{"a": 1}',
    "single quotes": "{'a': 1}",
}


@pytest.mark.parametrize("text", WRONG.values(), ids=WRONG)
def test_what_two_readers_could_read_differently_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.json"
    file.write_text(text)
    with pytest.raises(ConfigError) as raised:
        read_object(file, error=ConfigError)
    assert str(raised.value).startswith(str(file)) and str(raised.value).isprintable()


def test_bytes_that_are_not_utf8_are_refused(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(CheckpointError, match=r"x\.json: not valid JSON"):
        read_object(tmp_path / "x.json")


def test_a_file_that_is_too_long_is_not_read_to_its_end(tmp_path: Path) -> None:
    with (tmp_path / "x.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(CheckpointError, match="longer than 10 bytes"):
        read_object(tmp_path / "x.json", max_bytes=10)


def test_a_pipe_and_a_device_are_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.json")
    for path in (tmp_path / "pipe.json", Path("/dev/zero"), tmp_path):
        with pytest.raises(CheckpointError, match="not a regular file"):
            read_object(path)


@pytest.mark.parametrize("name", ["missing.json", "nul\0"])
def test_what_cannot_be_read_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        read_object(tmp_path / name)


def test_what_is_written_is_read_back() -> None:
    value = {"name": "é", "many": [1, 2.5, None, True], "within": {"a": {}}}
    assert parse_object(dump(value), "here") == value
    assert dump(value).endswith(b"}\n")


def test_a_reason_is_one_short_line() -> None:
    assert plain(ValueError("two\n  lines")) == "two lines"
    assert plain(KeyError()) == "KeyError"
    assert len(plain(ValueError("x" * 999))) == 200
