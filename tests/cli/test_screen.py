"""Colours where they can be seen, plain text elsewhere, JSON that any program can read."""

import dataclasses
import io
import json
import sys
from collections.abc import Callable

import numpy as np
import pytest
from rich.color import ColorSystem
from rich.style import Style
from rich.table import Table

from octavo.cli.screen import Screen, open_screen, print_json

Opening = Callable[..., Screen]


class Terminal(io.TextIOWrapper):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opening:
    def open_in(*, tty: bool = True, encoding: str = "utf-8", no_color: bool = False, **env: str) -> Screen:
        for name in ("NO_COLOR", "FORCE_COLOR", "COLORTERM", "TERM", "TTY_COMPATIBLE", "COLUMNS"):
            monkeypatch.delenv(name, raising=False)
        for name, value in {"TERM": "xterm-256color", **env}.items():
            monkeypatch.setenv(name, value)
        kind = Terminal if tty else io.TextIOWrapper
        monkeypatch.setattr("sys.stdout", kind(io.BytesIO(), encoding=encoding, write_through=True))
        return open_screen(no_color=no_color)

    return open_in


def test_a_terminal_has_the_colours_it_says(opened: Opening) -> None:
    assert opened().colours is ColorSystem.EIGHT_BIT
    assert opened(COLORTERM="truecolor").colours is ColorSystem.TRUECOLOR
    assert opened(TERM="xterm").colours is ColorSystem.STANDARD


def test_no_colours_without_a_terminal_or_where_they_are_not_wanted(opened: Opening) -> None:
    assert opened(tty=False).colours is None
    assert opened(NO_COLOR="1").colours is None
    assert opened(no_color=True).colours is None
    assert opened(TERM="dumb").colours is None


def test_colours_can_be_forced_into_a_pipe(opened: Opening) -> None:
    assert opened(tty=False, FORCE_COLOR="1").colours is ColorSystem.EIGHT_BIT


def test_only_a_terminal_has_a_width(opened: Opening) -> None:
    assert opened(COLUMNS="50").width == 50
    assert opened(tty=False, COLUMNS="50").width is None


def test_what_the_encoding_cannot_show_is_spelled_out(opened: Opening) -> None:
    screen = opened(tty=False, encoding="latin-1")
    assert not screen.unicode
    screen.write("café “quoted”\n")
    assert sys.stdout.buffer.getvalue() == b"caf\xe9 \\u201cquoted\\u201d\n"


def test_paint_colours_each_line_by_itself(opened: Opening) -> None:
    assert opened().paint("a\n\nb", Style(bold=True)) == "\x1b[1ma\x1b[0m\n\n\x1b[1mb\x1b[0m"
    assert opened(tty=False).paint("a", Style(bold=True)) == "a"


def test_a_table_in_a_pipe_has_no_colours_and_no_trailing_spaces(
    opened: Opening, capsys: pytest.CaptureFixture[str]
) -> None:
    table = Table("one", "two", style="red", header_style="bold")
    table.add_row("1", "[red]not markup[/red]")
    screen = opened(tty=False)
    screen.show(table)
    out = sys.stdout.buffer.getvalue().decode()
    assert "\x1b" not in out
    assert "[red]not markup[/red]" in out
    assert all(line == line.rstrip() for line in out.splitlines())


@dataclasses.dataclass(frozen=True, slots=True)
class Pair:
    left: object
    right: object


def test_json_is_one_plain_document(capsys: pytest.CaptureFixture[str]) -> None:
    value = {
        7: Pair(np.array([[1, -1]], dtype=np.int16), (np.float32(0.5), float("nan"), float("-inf"))),
        "text": "\x1b[31m\r\x7f\u202e\ud800é",
    }
    print_json(value)
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.removesuffix("\n").isprintable()
    assert json.loads(out) == {
        "7": {"left": [[1, -1]], "right": [0.5, None, None]},
        "text": "\x1b[31m\r\x7f\u202e\ud800é",
    }
