"""Plain text becomes plain ids, and text that is not Unicode is refused."""

import threading
import time

import pytest
from tokenizers import Tokenizer, models

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer.encoder import LONG, Encoder, check_unicode
from octavo.tokenizer.sentencepiece import read_sentencepiece
from tests.tokenizer.conftest import SENTENCEPIECE


@pytest.fixture(scope="module")
def encoder() -> Encoder:
    return read_sentencepiece(SENTENCEPIECE["v1"])[0]


def test_the_empty_text_has_no_ids(encoder: Encoder) -> None:
    assert encoder.encode("") == []


def test_a_space_is_put_before_a_text(encoder: Encoder) -> None:
    assert encoder.encode("Hello") == [22557]
    assert encoder.encode(" Hello")[-1] == 22557 and len(encoder.encode(" Hello")) == 2


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff"])
def test_a_lone_surrogate_is_refused(encoder: Encoder, text: str) -> None:
    with pytest.raises(RequestError, match=r"lone surrogate U\+D"):
        encoder.encode(text)


def test_a_character_that_the_tokenizer_has_no_token_for_is_refused() -> None:
    bpe = Tokenizer(models.BPE({"a": 0}, [], unk_token="<unk>"))
    assert Encoder(bpe=bpe).encode("a") == [0]
    with pytest.raises(TokenizerError, match="was found while encoding, a tokenizer that knows every character"):
        Encoder(bpe=bpe).encode("b")


def test_every_character_of_unicode_is_text() -> None:
    check_unicode("\x00\ud7ff\ue000\ufffe\U0010ffff")


def test_a_long_text_has_the_ids_that_its_lines_have(encoder: Encoder) -> None:
    lines = ["The rain in Spain", " stays mainly", " in the plain."] * 60
    long = "".join(lines)
    assert len(long) > LONG
    assert encoder.encode(long) == encoder.bpe.encode("▁" + long.replace(" ", "▁"), add_special_tokens=False).ids


def test_a_long_text_keeps_nobody_waiting(encoder: Encoder) -> None:
    text = "The rain in Spain stays mainly in the plain. " * 10_000
    started, ticks = threading.Event(), []

    def encode() -> None:
        started.set()
        encoder.encode(text)

    thread = threading.Thread(target=encode)
    thread.start()
    started.wait()
    while thread.is_alive():
        before = time.perf_counter()
        time.sleep(0.001)
        ticks.append(time.perf_counter() - before)
    # With the lock held all along there would be one tick, as long as the whole.
    assert len(ticks) > 10
    assert max(ticks) < sum(ticks) / 2
