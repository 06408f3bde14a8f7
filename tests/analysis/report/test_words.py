"""Token bytes become text that joins to the document, and every text is held once."""

from octavo.analysis.report.words import LONGEST, Spelling, Strings

SPELLING = Spelling(
    pieces={0: b"<s>", 1: b" word", 2: b"\xf0\x9f", 3: b"\x98\x80", 4: b"\xff", 5: b"\xe2\x82", 6: b"\n", 7: b""}
)


def test_the_tokens_of_a_document_join_to_it() -> None:
    texts = SPELLING.texts([0, 1, 2, 3, 6])
    assert texts == ["<s>", " word", "", "😀", "\n"]
    assert "".join(texts) == "<s> word😀\n"


def test_bytes_that_are_no_text_are_spelled_out_and_break_nothing() -> None:
    assert SPELLING.texts([4, 1]) == ["\\xff", " word"]
    assert SPELLING.texts([1, 5]) == [" word", "\\xe2\\x82"]
    assert SPELLING.texts([5, 1]) == ["", "\\xe2\\x82 word"]
    assert SPELLING.texts([]) == []
    assert SPELLING.alone(2) == "\\xf0\\x9f"


def test_a_token_that_nobody_knows_is_its_number() -> None:
    assert SPELLING.alone(99) == "[99]"
    assert SPELLING.alone(7) == "[7]"
    assert Spelling(pieces={}).texts([5, 6]) == ["[5]", "[6]"]


def test_what_was_cut_at_the_ends_of_a_context_is_left_out() -> None:
    assert SPELLING.around([3, 1, 2]) == " word"


def test_a_text_has_one_place_and_a_long_one_is_cut() -> None:
    strings = Strings()
    assert strings.all(["a", "b", "a"]).tolist() == [0, 1, 0]
    assert strings.place("x" * 10_000) == strings.place("x" * 20_000) == 2
    assert strings.texts[2] == "x" * (LONGEST - 1) + "…"
