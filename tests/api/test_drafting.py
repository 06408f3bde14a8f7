"""The drafter makes requests that know where a text begins and how it ends."""

from pathlib import Path

import pytest

from octavo.api.drafting import Drafter
from octavo.api.opening import describe_model
from octavo.api.prompts import Prompt
from octavo.engine.params import SamplingParams
from octavo.errors import RequestError


@pytest.fixture(scope="module")
def drafter(folder: Path) -> Drafter:
    described = describe_model(folder)
    return Drafter(config=described.config, tokenizer=described.tokenizer, eos_token_ids=frozenset({2}))


def test_a_draft_carries_the_request_for_the_engine(drafter: Drafter) -> None:
    prompt = Prompt("def", tuple(drafter.encode("def")))
    draft = drafter.draft("name", prompt, SamplingParams(n=2))
    assert draft.request.request_id == "name"
    assert draft.request.prompt_token_ids == prompt.token_ids
    assert draft.request.eos_token_ids == {2}
    assert len(draft.outputs) == 2


def test_only_a_prompt_of_control_tokens_or_a_conversation_begins_a_text(drafter: Drafter) -> None:
    assert drafter.begins(Prompt(None, (1,)))
    assert not drafter.begins(Prompt("def", tuple(drafter.encode("def"))))
    assert drafter.begins(drafter.conversation([{"role": "user", "content": "def"}]))


def test_an_id_that_pads_the_vocabulary_has_no_spelling(drafter: Drafter) -> None:
    assert drafter.spell(1) == "<s>"
    assert drafter.spell(drafter.config.vocab_size - 1) is None


def test_without_a_tokenizer_only_ids_are_taken(bare: Path) -> None:
    described = describe_model(bare)
    drafter = Drafter(config=described.config, tokenizer=described.tokenizer, eos_token_ids=frozenset())
    with pytest.raises(RequestError, match="no tokenizer"):
        drafter.encode("text")
    with pytest.raises(RequestError, match="no tokenizer"):
        drafter.conversation([{"role": "user", "content": "text"}])
    with pytest.raises(RequestError, match="stop_token_ids"):
        drafter.draft("0", Prompt(None, (1,)), SamplingParams(stop="x"))
    assert drafter.spell(3) is None
