"""A vocabulary takes added control tokens, or says why it cannot."""

import pytest
from tokenizers import pre_tokenizers

from octavo.errors import TokenizerError
from octavo.tokenizer import Vocabulary
from octavo.tokenizer.vocabulary import BYTE_TO_CHARACTER

SMALL = Vocabulary(
    tokens=("<s>", "</s>", "a"),
    pieces=(b"<s>", b"</s>", b"a"),
    control={"<s>": 0, "</s>": 1},
    control_ids=frozenset({0, 1}),
    bos_id=0,
    eos_id=1,
    unk_id=None,
    leading_space=False,
    byte_pieces=False,
)


def test_an_added_token_may_end_a_text() -> None:
    grown = SMALL.with_added({"<end>": 4}, {"eos_token": "<end>"})
    assert grown.tokens == ("<s>", "</s>", "a", "", "<end>")
    assert (grown.bos_id, grown.eos_id, grown.control_ids) == (0, 4, {0, 1, 4})


def test_a_token_named_again_with_its_id_changes_nothing() -> None:
    assert SMALL.with_added({"<s>": 0, "a": 2}, {}) == SMALL


@pytest.mark.parametrize("added", [{"<end>": 2}, {"a": 7}, {"x": 5, "y": 5}])
def test_an_id_or_a_spelling_that_is_taken_is_refused(added: dict[str, int]) -> None:
    with pytest.raises(TokenizerError, match="an id and a spelling that are free were wanted"):
        SMALL.with_added(added, {})


def test_the_byte_alphabet_is_the_one_of_byte_level_bpes() -> None:
    assert len(BYTE_TO_CHARACTER) == 256
    assert set(BYTE_TO_CHARACTER.values()) == set(pre_tokenizers.ByteLevel.alphabet())
