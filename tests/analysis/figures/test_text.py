"""Coloured text: every character in its cell, every token in the colour of its expert."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.figures.text import coloured_panels, lay_out, visible, width
from octavo.analysis.statistics.coloured_text import ColouredText
from octavo.errors import TraceError
from tests.analysis.figures.traces import svg_of


def texts_of(*pieces: str, layers: int = 1, known: Sequence[bool] = (), num_experts: int = 8) -> list[ColouredText]:
    many = len(pieces)
    return [
        ColouredText(
            domain="x",
            document=many,
            layer=layer,
            num_experts=num_experts,
            position_T=np.arange(many),
            token_T=np.arange(many),
            piece_T=tuple(piece.encode() for piece in pieces),
            first_T=(np.arange(many) + layer * many) % 8,
            weight_T=None,
            tie_T=np.zeros(many, bool),
            known_T=np.array(known or [True] * many),
            special_T=np.zeros(many, bool),
        )
        for layer in range(layers)
    ]


def test_tokens_stand_side_by_side_and_break_where_the_text_does() -> None:
    laid = [(each.text, each.line, each.column, each.token) for each in lay_out(["ab", " cd\n", "\te"], 10)]
    assert laid == [("ab", 0, 0, 0), (" cd↵", 0, 2, 1), ("    e", 1, 0, 2)]


def test_a_line_that_is_full_goes_on_in_the_next() -> None:
    laid = [(each.text, each.line, each.column, each.token) for each in lay_out(["abcd", "efg"], 5)]
    assert laid == [("abcd", 0, 0, 0), ("e", 0, 4, 1), ("fg", 1, 0, 1)]
    assert list(lay_out(["", "\n"], 5)) == [next(lay_out(["", "\n"], 5))]


def test_wide_and_joined_characters_take_two_columns_and_none() -> None:
    assert [width(each) for each in "a語\u0301"] == [1, 2, 0]
    assert [each.column for each in lay_out(["語", "b"], 9)] == [0, 2]


def test_what_is_drawn_has_the_words_the_layers_and_the_experts(tmp_path: Path) -> None:
    made = coloured_panels(texts_of("def", " f", "(x)", layers=3) + texts_of("<&>", " $a^b$", layers=3))
    text = svg_of(made, tmp_path)
    assert "layer 2" in text and "expert 7" in text
    assert "def f(x)" in text.replace("&#160;", " ")
    assert "&lt;&amp;&gt;" in text and "$a^b$" in text
    assert "12.5 % of all pairs" in made.caption
    assert [each["expert"] for each in made.rows[:4]] == [0, 3, 6, 1]


def test_what_the_font_cannot_show_is_a_box_and_no_warning(tmp_path: Path) -> None:
    text = svg_of(coloured_panels(texts_of("\U0001f600", "語", "ok")), tmp_path)
    assert "□" in text


def test_unknown_tokens_have_no_experts_colour() -> None:
    made = coloured_panels(texts_of("a", "b", known=(True, False), num_experts=64))
    assert [(each["expert"], each["n"]) for each in made.rows] == [(0, 1), (None, 0)]
    assert "every eighth of the 64" in made.caption


def test_what_would_command_a_page_is_spelled_by_number() -> None:
    assert visible("caf\u00e9\n\t") == "caf\u00e9\n\t"
    assert visible("\x1b[0m\x00\u202e") == r"\u001b[0m\u0000\u202e"


def test_without_a_text_it_says_so() -> None:
    with pytest.raises(TraceError, match="no text to colour"):
        coloured_panels([])
