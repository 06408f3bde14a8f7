"""Prompts come from arguments, files and stdin, and from nowhere else."""

import io
from pathlib import Path

import pytest

from octavo.cli import prompts
from octavo.cli.prompts import NamedText, read_named, read_prompts
from octavo.errors import RequestError


class Stdin:
    def __init__(self, content: bytes) -> None:
        self.buffer = io.BytesIO(content)


def test_a_prompt_is_taken_as_it_is() -> None:
    assert read_prompts(["one\n", " two "], None) == ["one\n", " two "]


def test_a_file_loses_its_last_line_break_only(tmp_path: Path) -> None:
    path = tmp_path / "prompt.txt"
    path.write_bytes("Il était\n\nune fois\n\n".encode())
    assert read_prompts(None, [path]) == ["Il était\n\nune fois\n"]


def test_a_dash_is_stdin(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Stdin(b"from a pipe\r\n"))
    assert read_prompts(["-"], None) == ["from a pipe"]


def test_without_a_prompt_the_ways_to_give_one_are_named() -> None:
    with pytest.raises(RequestError, match="-p TEXT or --prompt-file FILE"):
        read_prompts(None, None)


def test_what_is_not_utf8_is_refused_with_its_place(tmp_path: Path) -> None:
    path = tmp_path / "latin.txt"
    path.write_bytes(b"caf\xe9 au lait")
    with pytest.raises(RequestError, match=r"latin\.txt is not UTF-8 at byte 3"):
        read_prompts(None, [path])


def test_an_argument_that_is_not_utf8_is_refused() -> None:
    with pytest.raises(RequestError, match="not UTF-8 at character 2"):
        read_prompts(["ab\udcff"], None)


def test_a_file_that_no_model_could_read_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompts, "LONGEST", 10)
    path = tmp_path / "long.txt"
    path.write_bytes(b"x" * 11)
    with pytest.raises(RequestError, match="longer than 10 bytes"):
        read_prompts(None, [path])


def test_texts_to_score_are_whole_and_have_names(tmp_path: Path) -> None:
    path = tmp_path / "text.txt"
    path.write_text("whole\n")
    assert read_named(["a", "b"], [path]) == [
        NamedText("-p 1", "a"),
        NamedText("-p 2", "b"),
        NamedText(str(path), "whole\n"),
    ]
