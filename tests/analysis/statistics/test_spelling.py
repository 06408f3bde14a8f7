"""What a token's bytes say of words, blanks and lines."""

import numpy as np

from octavo.analysis.statistics.spelling import Spelling, vocabulary_of
from tests.analysis.synthetic import MemoryTrace, by_token

VOCABULARY = {
    0: b"\n",
    1: b"    ",
    2: b" return",
    3: b"self",
    4: b"_x",
    5: b".",
    6: b"\t",
    7: b"\n  ",
    8: b"",
    9: b"\xc3",
}
KINDS = Spelling.of(VOCABULARY)


def ids(flag_V: np.ndarray) -> list[int]:
    return np.flatnonzero(flag_V).tolist()


def test_parts_of_words_are_letters_digits_underscores_and_bytes_above_ascii() -> None:
    assert ids(KINDS.begins_V) == [3, 4, 9]
    assert ids(KINDS.ends_V) == [2, 3, 4, 9]
    assert ids(KINDS.new_word_V) == [2]


def test_blanks_hold_spaces_or_tabs_and_nothing_else() -> None:
    assert ids(KINDS.blank_V) == [1, 6, 7]
    assert ids(KINDS.line_end_V) == [0]


def test_indentation_is_blank_at_the_beginning_of_a_line() -> None:
    def indents(*tokens: int, starts: tuple[int, ...] = (0,)) -> list[int]:
        id_T = np.array(tokens)
        return ids(KINDS.indents_T(id_T, np.array([*starts, len(tokens)])))

    assert indents(3, 0, 1, 1, 3, 1) == [2, 3]
    assert indents(1, 3, 1) == [0]
    assert indents(3, 1, 0, 6) == [3]
    assert indents(3, 0, 1, 1, starts=(0, 3)) == [2, 3]
    assert indents(3, 1, 1, starts=(0, 2)) == [2]


def test_a_blank_that_holds_its_own_line_end_is_indentation() -> None:
    assert ids(KINDS.indents_T(np.array([3, 7, 3]), np.array([0, 3]))) == [1]


def test_a_trace_without_spelling_has_none() -> None:
    assert vocabulary_of(MemoryTrace([by_token([1])], tokens={1: b"a"})) == {1: b"a"}
    assert vocabulary_of(object()) == {}
