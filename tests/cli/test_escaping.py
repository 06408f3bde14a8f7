"""Text is shown so that no terminal obeys it."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.cli.escaping import KEPT, escape, escape_line


@pytest.mark.parametrize(
    ("hostile", "shown"),
    [
        ("\x1b[2J\x1b[31mred", "\\x1b[2J\\x1b[31mred"),
        ("overwritten\rline", "overwritten\\rline"),
        ("\x9b31m", "\\x9b31m"),
        ("\x07\x08\x7f\x00", "\\x07\\x08\\x7f\\x00"),
        ("abc\u202edcba\u2066\u200f", "abc\\u202edcba\\u2066\\u200f"),
        ("\u2028\u2029\ufeff\U000e0041", "\\u2028\\u2029\\ufeff\\U000e0041"),
        ("\ud83d", "\\ud83d"),
        ("\x1b]8;;http://example.org\x07link", "\\x1b]8;;http://example.org\\x07link"),
    ],
)
def test_what_a_terminal_obeys_is_spelled_out(hostile: str, shown: str) -> None:
    assert escape(hostile) == shown


@pytest.mark.parametrize("text", ["plain", "two\nlines\tand a tab", "l’été, Zürich, 日本語, עברית", "👩‍💻", "می‌خواهم"])
def test_honest_text_stays_as_it_is(text: str) -> None:
    assert escape(text) == text


@given(st.text(st.characters()))
def test_nothing_that_acts_on_a_terminal_is_left(text: str) -> None:
    left = {unicodedata.category(character) for character in escape(text) if character not in KEPT}
    assert not left & {"Cc", "Cf", "Cs", "Zl", "Zp"}


def test_a_line_has_no_break() -> None:
    assert escape_line("one\ntwo\tthree") == "one\\ntwo\\tthree"
