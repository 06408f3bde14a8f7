"""The BPE we train: every text comes back, every byte has an id, and transformers reads the same ids."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from octavo.errors import TokenizerError
from octavo.tokenizer.training import BYTE_TOKENS, CONTROL_TOKENS, train_bpe, write_tokenizer_files

TEXTS = [
    "The quick brown fox jumps over the lazy dog, and the dog doesn't mind at all.\n",
    "def area(radius):\n    return 3.14159 * radius ** 2\n\n\nprint(area(10))\n",
    "L'homme qui rit n'est pas l'homme qu'on croit; c'est une autre histoire.\n",
    "\\begin{equation}\n  \\int_0^1 x^2 \\, dx = \\frac{1}{3}\n\\end{equation}\n",
]
HOSTILE = [
    "",
    " ",
    "  two spaces",
    "trailing  ",
    "\r\nCRLF\r\n\tTAB\x00NUL",
    "▁ is not a space",
    "👩‍👩‍👧 日本語 \U0010ffff",
    "<s></s><unk>[INST]<0x41>",
    "e\u0301 \u2028\u0085\ufeff",
]


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return train_bpe(TEXTS * 20, vocab_size=400, alphabet_size=60)


def ids_of(tokenizer: Tokenizer, text: str) -> list[int]:
    tokenizer.encode_special_tokens = True
    return list(tokenizer.encode(text, add_special_tokens=False).ids)


def test_the_control_tokens_come_first_and_then_the_bytes(tokenizer: Tokenizer) -> None:
    tokens = [tokenizer.id_to_token(index) for index in range(5 + 256)]
    assert tokens == [*CONTROL_TOKENS, *BYTE_TOKENS]
    assert tokenizer.get_vocab_size() == 400


@pytest.mark.parametrize("text", HOSTILE + TEXTS)
def test_a_text_comes_back_as_it_went_in(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(ids_of(tokenizer, text), skip_special_tokens=False) == text


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.characters(exclude_categories=["Cs"])))
def test_any_text_comes_back_as_it_went_in(tokenizer: Tokenizer, text: str) -> None:
    assert tokenizer.decode(ids_of(tokenizer, text), skip_special_tokens=False) == text


def test_a_character_outside_the_alphabet_is_spelled_in_bytes(tokenizer: Tokenizer) -> None:
    assert ids_of(tokenizer, "語") == [5 + byte for byte in "語".encode()]


def test_training_twice_gives_the_same_tokenizer(tokenizer: Tokenizer) -> None:
    assert train_bpe(TEXTS * 20, vocab_size=400, alphabet_size=60).to_str() == tokenizer.to_str()


def test_digits_stand_alone(tokenizer: Tokenizer) -> None:
    assert sum(any(digit in token for digit in "0123456789") for token in tokenizer.encode("2024 is 7").tokens) == 5


def test_a_vocabulary_without_room_for_the_alphabet_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"300 was asked for.*more than 421"):
        train_bpe(TEXTS, vocab_size=300)


def test_too_little_text_is_refused() -> None:
    with pytest.raises(TokenizerError, match=r"8192 were asked for; give more text"):
        train_bpe(TEXTS, vocab_size=8192)


def test_transformers_reads_the_folder_with_the_same_ids(tokenizer: Tokenizer, tmp_path: Path) -> None:
    from transformers import AutoTokenizer

    tokenizer.encode_special_tokens = False
    write_tokenizer_files(tmp_path, tokenizer, context_length=2048)
    theirs = AutoTokenizer.from_pretrained(tmp_path)
    for text in HOSTILE + TEXTS:
        assert theirs(text)["input_ids"] == tokenizer.encode(text).ids
        assert theirs.decode(theirs(text, add_special_tokens=False)["input_ids"]) == text
    assert (theirs.bos_token, theirs.eos_token, theirs.model_max_length) == ("<s>", "</s>", 2048)
