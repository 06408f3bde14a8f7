"""Text appears in whole characters, is cut at the first stop string wherever tokens break, and never taken back."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.api.writing import TextWriter
from octavo.tokenizer import StreamDecoder, Vocabulary

# One token a byte: the worst a tokenizer can do to a character or a stop string.
BYTES = Vocabulary(
    tokens=tuple(f"<0x{byte:02X}>" for byte in range(256)),
    pieces=tuple(bytes([byte]) for byte in range(256)),
    control={},
    control_ids=frozenset(),
    bos_id=None,
    eos_id=None,
    unk_id=None,
    leading_space=False,
    byte_pieces=True,
)


def write(text: str, stops: list[str], **options: object) -> tuple[TextWriter, list[str]]:
    """Pushes a text byte by byte until a stop string ends it; what was told after each."""
    writer = TextWriter(StreamDecoder(BYTES), stops, **options)  # type: ignore[arg-type]
    told = []
    for byte in text.encode():
        writer.push(byte)
        told.append(writer.fresh())
        if writer.stop is not None:
            break
    writer.close()
    told.append(writer.fresh())
    return writer, told


@given(
    text=st.text(alphabet="abé→😀", max_size=30),
    stops=st.lists(st.text(alphabet="abé→😀", min_size=1, max_size=4), max_size=3),
    include=st.booleans(),
)
def test_the_text_is_cut_at_the_first_stop_string(text: str, stops: list[str], include: bool) -> None:
    writer, told = write(text, stops, include_stop=include)
    # Of the stops that are complete first, the one that begins first.
    ends = [(text.find(stop) + len(stop), text.find(stop), stop) for stop in stops if stop in text]
    if ends:
        end = min(ends)[0]
        begin, stop = min((begin, stop) for one, begin, stop in ends if one == end)
        assert writer.stop == stop
        assert writer.text == text[: begin + len(stop) if include else begin]
    else:
        assert writer.stop is None
        assert writer.text == text
    assert "".join(told) == writer.text
    # What was told stays: each is the beginning of the next.
    assert all(writer.text.startswith(said) for said in itertools.accumulate(told))
    assert not any("\ufffd" in said for said in told)


def test_text_that_no_stop_string_begins_with_is_told_at_once() -> None:
    _, told = write("hello", ["xyz"])
    assert told == ["h", "e", "l", "l", "o", ""]


def test_text_that_may_be_a_stop_string_is_held_back_until_it_is_not() -> None:
    _, told = write("axyaxyz!", ["xyz"])
    assert told == ["a", "", "", "xya", "", "", "", ""]


def test_stop_strings_within_the_first_tokens_do_not_count() -> None:
    writer, _ = write("ababab", ["ab"], min_tokens=3)
    assert writer.text == "ab"
    assert writer.stop == "ab"
    writer, _ = write("ab", ["ab"], min_tokens=2)
    assert (writer.text, writer.stop) == ("ab", None)


def test_an_unfinished_character_ends_as_one_replacement() -> None:
    writer = TextWriter(StreamDecoder(BYTES), [])
    for byte in "é→".encode()[:4]:
        writer.push(byte)
    assert (writer.text, writer.fresh()) == ("é", "é")
    writer.close()
    writer.close()
    assert writer.text == "é\ufffd\ufffd"
    assert writer.fresh() == "\ufffd\ufffd"


def test_without_a_decoder_there_is_no_text() -> None:
    writer = TextWriter(None, [])
    writer.push(5)
    writer.close()
    assert (writer.text, writer.fresh(), writer.stop) == ("", "", None)


@pytest.mark.parametrize("include", [False, True])
def test_nothing_follows_a_stop_string_that_ends_within_a_token(include: bool) -> None:
    words = Vocabulary(
        tokens=("one ", "two three"), pieces=(b"one ", b"two three"), control={}, control_ids=frozenset(), bos_id=None,
        eos_id=None, unk_id=None, leading_space=False, byte_pieces=False,
    )  # fmt: skip
    writer = TextWriter(StreamDecoder(words), ["e two"], include_stop=include)
    writer.push(0)
    assert writer.fresh() == "on"
    writer.push(1)
    assert writer.text == ("one two" if include else "on")
    assert writer.stop == "e two"
