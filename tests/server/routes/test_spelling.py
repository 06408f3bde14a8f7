"""Tokens are spelled as they stand: where a text begins, in pieces of a character, control tokens by their names."""

import numpy as np
import pytest

from octavo.api.outputs import Logprob
from octavo.server.routes.spelling import (
    LOWEST,
    ChatLogprobs,
    CompletionLogprobs,
    Speller,
    finite,
    prompt_logprobs,
    routed,
)
from octavo.tokenizer import Tokenizer
from tests.tokenizer.conftest import SENTENCEPIECE
from tests.tokenizer.texts import random_texts


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(SENTENCEPIECE["v3"])


def test_the_texts_of_tokens_joined_are_the_text(tokenizer: Tokenizer) -> None:
    for text in random_texts(100, 4):
        ids = tokenizer.encode(text, add_bos=False)
        speller = Speller(tokenizer, starts_text=True, skip=True)
        pieces = []
        for token in ids:
            pieces.append(bytes(speller.bytes_of(token) or ()))
            speller.go_on(token)
        assert b"".join(pieces).decode() == tokenizer.decode(ids)
        assert speller.offset == len(tokenizer.decode(ids))


def test_only_the_first_token_of_a_text_loses_its_space(tokenizer: Tokenizer) -> None:
    (hello,) = tokenizer.encode("Hello", add_bos=False)
    found = Logprob(-1.0, 1, tokenizer.token_text(hello))
    speller = Speller(tokenizer, starts_text=True, skip=True)
    assert (speller.token(hello), speller.name(hello, found), speller.bytes_of(hello)) == ("Hello",) * 2 + (
        list(b"Hello"),
    )
    speller.go_on(tokenizer.bos_id or 0)
    assert speller.token(hello) == "Hello"
    speller.go_on(hello)
    assert (speller.token(hello), speller.name(hello, found)) == (" Hello", " Hello")
    assert Speller(tokenizer, starts_text=False, skip=True).token(hello) == " Hello"


def test_a_piece_of_a_character_is_shown_as_one(tokenizer: Tokenizer) -> None:
    ids = [token for token in tokenizer.encode("🎈", add_bos=False) if len(tokenizer.vocabulary.pieces[token]) == 1]
    speller = Speller(tokenizer, starts_text=False, skip=True)
    assert speller.token(ids[-1]) == "\ufffd"
    assert speller.bytes_of(ids[-1]) == ["🎈".encode()[-1]]


def test_a_control_token_has_a_name_and_no_bytes(tokenizer: Tokenizer) -> None:
    assert Speller(tokenizer, starts_text=True, skip=True).token(2) == "</s>"
    assert Speller(tokenizer, starts_text=True, skip=True).bytes_of(2) is None
    assert Speller(tokenizer, starts_text=True, skip=False).bytes_of(2) == list(b"</s>")


def test_without_a_tokenizer_a_token_has_no_text() -> None:
    speller = Speller(None, starts_text=True, skip=True)
    speller.go_on(5)
    assert (speller.token(5), speller.bytes_of(5), speller.offset) == ("", None, 0)
    assert speller.name(5, Logprob(-1.0, 1, None)) == ""


def test_an_id_beyond_the_tokenizer_has_no_text(tokenizer: Tokenizer) -> None:
    speller = Speller(tokenizer, starts_text=True, skip=True)
    speller.go_on(40_000)
    assert (speller.token(40_000), speller.bytes_of(40_000)) == ("", None)


def test_of_tokens_with_one_name_the_likeliest_keeps_it() -> None:
    named = {3: Logprob(-2.0, 3, "a"), 1: Logprob(-0.5, 1, "a"), 2: Logprob(-1.0, 2, "b")}
    found = CompletionLogprobs(Speller(None, starts_text=True, skip=True), 2).write([3], [named])
    assert found["top_logprobs"] == [{"a": -0.5, "b": -1.0}]
    assert found["token_logprobs"] == [-2.0]


def test_the_best_are_told_in_their_order_and_no_more() -> None:
    named = {9: Logprob(-5.0, 9, "z"), 1: Logprob(-0.5, 1, "a"), 2: Logprob(-1.0, 2, "b")}
    found = ChatLogprobs(Speller(None, starts_text=True, skip=True), 2).write([9], [named])
    assert [each["token"] for each in found["content"][0]["top_logprobs"]] == ["a", "b"]
    assert found["content"][0]["token"] == "z"


def test_the_first_token_of_a_prompt_has_no_logprob() -> None:
    found = prompt_logprobs([None, {4: Logprob(-1.0, 2, "x")}])
    assert found == [None, {"4": {"logprob": -1.0, "rank": 2, "decoded_token": "x"}}]


def test_what_is_infinitely_unlikely_has_a_number() -> None:
    assert finite(float("-inf")) == LOWEST
    assert finite(-3.25) == -3.25


def test_arrays_stand_under_their_names() -> None:
    found = routed("prompt_", {"routed_experts": np.array([[[1, 2]]], np.int16), "router_logits": None})
    assert found.keys() == {"prompt_routed_experts"}
