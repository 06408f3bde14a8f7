"""A model in this process answers, and says so where it cannot."""

from pathlib import Path

import pytest

from octavo import LLM, RequestError, SamplingParams
from octavo.cli.local_speaker import LocalSpeaker

ASKED = [{"role": "user", "content": "The dog"}]


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(folder)


def test_an_answer_comes_with_all_that_is_known_of_it(llm: LLM) -> None:
    params = SamplingParams(temperature=0, max_tokens=4)
    text, known = LocalSpeaker(llm, params).answer(ASKED)
    assert text == llm.chat(ASKED, params)[0].outputs[0].text
    assert known.outputs[0].routed_experts.shape[1:] == (3, 2)
    assert known.outputs[0].logprobs


def test_a_layer_that_is_not_there_is_refused(llm: LLM) -> None:
    with pytest.raises(RequestError, match="layers are 0 to 2"):
        LocalSpeaker(llm, SamplingParams()).check_layer(3)


def test_a_model_that_knows_no_chat_is_refused(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(llm, "tokenizer", None)
    with pytest.raises(RequestError, match="octavo generate"):
        LocalSpeaker(llm, SamplingParams())
