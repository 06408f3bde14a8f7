"""Streamed text is the decoded text, whatever the ids, and a character appears only when it is whole."""

import random
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import TokenizerError
from octavo.tokenizer import Tokenizer, Vocabulary
from octavo.tokenizer.decoder import StreamDecoder, decode, texts_by_token
from octavo.tokenizer.sentencepiece import read_sentencepiece
from octavo.tokenizer.tekken import read_tekken
from tests.tokenizer.conftest import SENTENCEPIECE, TEKKEN


@pytest.fixture(scope="module", params=["sentencepiece", "tekken", "own"])
def vocabulary(request: pytest.FixtureRequest, own_folder: Path) -> Vocabulary:
    if request.param == "sentencepiece":
        return read_sentencepiece(SENTENCEPIECE["v3"])[1]
    if request.param == "tekken":
        return read_tekken(TEKKEN)[1]
    return Tokenizer.from_folder(own_folder).vocabulary


def streamed(vocabulary: Vocabulary, ids: list[int], **options: bool) -> str:
    stream = StreamDecoder(vocabulary, **options)
    return "".join([stream.push(token_id) for token_id in ids]) + stream.flush()


def test_a_million_random_ids_stream_to_their_text(vocabulary: Vocabulary) -> None:
    random_ = random.Random(5)
    byte_ids = [index for index, piece in enumerate(vocabulary.pieces) if len(piece) == 1]
    count = 350_000  # a third of a million for each of three tokenizers
    while count > 0:
        ids = [
            random_.choice(byte_ids) if random_.random() < 0.5 else random_.randrange(len(vocabulary.tokens))
            for _ in range(random_.randrange(1, 200))
        ]
        count -= len(ids)
        stream = StreamDecoder(vocabulary)
        deltas = [stream.push(token_id) for token_id in ids]
        assert "".join(deltas) + stream.flush() == decode(vocabulary, ids)
        "".join(deltas).encode()  # no half of a surrogate pair


@settings(max_examples=300, deadline=None)
@given(ids=st.lists(st.integers(0, 131_100), max_size=40), skip=st.booleans(), starts=st.booleans(), low=st.booleans())
def test_any_ids_stream_to_their_text(
    vocabulary: Vocabulary, ids: list[int], skip: bool, starts: bool, low: bool
) -> None:
    ids = [index % 1300 if low else index for index in ids]
    options = {"skip_special_tokens": skip, "starts_text": starts}
    whole = decode(vocabulary, ids, **options)
    assert streamed(vocabulary, ids, **options) == whole
    if not skip:
        texts = list(texts_by_token(vocabulary, ids, starts_text=starts))
        assert len(texts) == len(ids) and "".join(texts) == whole


def test_an_unfinished_character_waits_for_its_last_byte(vocabulary: Vocabulary) -> None:
    ids = [vocabulary.pieces.index(bytes([byte])) for byte in "😀".encode()]
    stream = StreamDecoder(vocabulary)
    assert [stream.push(token_id) for token_id in ids] == ["", "", "", "😀"]
    assert stream.flush() == ""


def test_a_character_that_is_never_finished_is_replaced_at_the_end(vocabulary: Vocabulary) -> None:
    stream = StreamDecoder(vocabulary)
    assert stream.push(vocabulary.pieces.index(b"\xf0")) == ""
    assert stream.flush() == "\ufffd"


def test_a_control_token_inside_a_character_does_not_break_it(vocabulary: Vocabulary) -> None:
    first, second = (vocabulary.pieces.index(bytes([byte])) for byte in "é".encode())
    assert decode(vocabulary, [first, vocabulary.control["</s>"], second]) == "é"


def test_control_tokens_are_spelled_out_on_demand(vocabulary: Vocabulary) -> None:
    assert decode(vocabulary, [1, 2]) == ""
    assert decode(vocabulary, [1, 2], skip_special_tokens=False) == "<s></s>"


def test_the_space_before_a_text_goes_and_the_one_inside_stays() -> None:
    encoder, vocabulary = read_sentencepiece(SENTENCEPIECE["v1"])
    ids = encoder.encode("Hello world")
    assert decode(vocabulary, ids) == "Hello world"
    assert decode(vocabulary, ids, starts_text=False) == " Hello world"
    assert decode(vocabulary, [1, *ids], skip_special_tokens=False) == "<s> Hello world"


def test_a_negative_id_is_refused_and_an_unknown_one_has_no_text(vocabulary: Vocabulary) -> None:
    with pytest.raises(TokenizerError, match="token id -1 was found, 0 or more was wanted"):
        decode(vocabulary, [-1])
    assert decode(vocabulary, [len(vocabulary.tokens) + 5]) == ""


def test_the_cost_of_a_token_does_not_grow(vocabulary: Vocabulary) -> None:
    stream = StreamDecoder(vocabulary)
    token_id = len(vocabulary.tokens) - 1

    def seconds(count: int) -> float:
        begin = time.perf_counter()
        for _ in range(count):
            stream.push(token_id)
        return time.perf_counter() - begin

    early = min(seconds(1_000) for _ in range(5))
    seconds(200_000)
    assert min(seconds(1_000) for _ in range(5)) < 20 * early
