"""Plain text becomes plain ids, and text that is not Unicode is refused."""

import pytest
from tokenizers import Tokenizer, models

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer.encoder import Encoder, check_unicode
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
