"""Coloured text is broken between words, and no colour runs over the end of a line."""

import re

import pytest
from rich.cells import cell_len
from rich.color import ColorSystem
from rich.style import Style

from octavo.cli.flow import Flow
from octavo.cli.screen import Screen, open_screen

RED = Style(bgcolor="red")


def flow(width: int | None, *, colours: ColorSystem | None = None) -> Flow:
    return Flow(Screen(console=open_screen().console, colours=colours, width=width, unicode=True))


def written(pieces: list[str], width: int | None, capsys: pytest.CaptureFixture[str]) -> str:
    made = flow(width)
    for piece in pieces:
        made.feed(piece)
    made.close()
    return capsys.readouterr().out


def test_a_word_of_several_tokens_is_not_torn(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(["one", " two", " thr", "ee", "fold"], 12, capsys) == "one two \nthreefold\n"


def test_without_a_width_lines_end_only_where_the_text_ends_them(capsys: pytest.CaptureFixture[str]) -> None:
    text = "word " * 100
    assert written([text, "\nend"], None, capsys) == text + "\nend\n"


@pytest.mark.parametrize("width", [2, 7, 20, 80])
def test_no_line_is_wider_than_the_screen(width: int, capsys: pytest.CaptureFixture[str]) -> None:
    pieces = [
        "A line",
        " of words,",
        "\n",
        "\tthen",
        " a_word_that_is_longer_than_any_screen_would_like",
        " 日本語の文章 ",
        "🙂 end",
    ]
    out = written(pieces, width, capsys)
    assert max(cell_len(line) for line in out.split("\n")) <= width
    assert re.sub(r"\s", "", out) == re.sub(r"\s", "", "".join(pieces))


def test_indentation_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert written(["def f():\n", "    return", " 1"], 80, capsys) == "def f():\n    return 1\n"


def test_every_line_ends_without_a_colour(capsys: pytest.CaptureFixture[str]) -> None:
    made = flow(10, colours=ColorSystem.TRUECOLOR)
    made.feed("some words that go over\nseveral lines", RED)
    made.close()
    lines = capsys.readouterr().out.removesuffix("\n").split("\n")
    assert len(lines) > 3
    assert all(line.endswith("\x1b[0m") for line in lines)


def test_a_word_appears_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    made = flow(80)
    made.feed("half")
    assert capsys.readouterr().out == ""
    made.feed("way ")
    assert capsys.readouterr().out == "halfway "
