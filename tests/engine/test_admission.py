"""A request enters only if every number in it is one that the model knows; the engine is as it was when it does not."""

import pytest

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.errors import RequestError
from octavo.model import Transformer
from tests.engine.serving import request, tiny

BAD: list[tuple[list[object], dict[str, object], str]] = [
    ([], {}, "the prompt has no tokens: want at least one"),
    ([1, 97], {}, "the prompt holds token id 97: want 0 to 96, the model's vocabulary"),
    ([-1], {}, "the prompt holds token id -1: want 0 to 96"),
    ([1, True], {}, "the prompt holds True: want token ids"),
    ([1.0], {}, "the prompt holds 1.0: want token ids"),
    (["a" * 1000], {}, "the prompt holds 'aaa"),
    ([1], {"stop_token_ids": [97]}, "stop_token_ids holds token id 97: want 0 to 96"),
    ([1], {"logit_bias": {200: 1.0}}, "logit_bias holds token id 200: want 0 to 96"),
    ([1], {"eos": [97]}, "eos_token_ids holds token id 97"),
    ([1] * 64, {}, "the prompt is 64 tokens long: want at most 63, since the model's length is 64"),
    ([1] * 65, {"max_tokens": 0}, "the prompt is 65 tokens long: want at most 64"),
    ([1], {"logprobs": 21}, "logprobs is 21: want at most 20, or raise max_logprobs"),
    ([1], {"prompt_logprobs": -1}, "prompt_logprobs is -1: want at most 20"),
]


@pytest.mark.parametrize(("prompt", "params", "message"), BAD, ids=[message[:50] for *_, message in BAD])
def test_a_request_that_cannot_be_served_is_refused_in_one_line(
    sparse: Transformer, prompt: list[int], params: dict[str, object], message: str
) -> None:
    engine = Engine(sparse, EngineConfig(max_model_len=64))
    with pytest.raises(RequestError, match=message) as caught:
        engine.add(request(prompt, **params))  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250
    assert not engine.has_unfinished
    engine.add(request([1]))


def test_a_name_in_use_is_refused(sparse: Transformer) -> None:
    engine = Engine(sparse, EngineConfig(num_pages=20))
    engine.add(request([1], "a"))
    with pytest.raises(RequestError, match="request_id 'a' is in use"):
        engine.add(request([1], "a"))


def test_routing_of_a_dense_model_is_refused() -> None:
    engine = Engine(tiny(num_experts=0, num_experts_per_tok=0), EngineConfig(num_pages=20))
    with pytest.raises(RequestError, match="routing is True but this model is dense"):
        engine.add(request([1], routing=True))


def test_without_a_bound_all_logprobs_may_be_asked_for(sparse: Transformer) -> None:
    engine = Engine(sparse, EngineConfig(max_logprobs=-1, num_pages=20))
    engine.add(request([1], logprobs=-1, prompt_logprobs=1000))


def test_a_prompt_may_fill_the_models_length_when_nothing_is_to_follow(sparse: Transformer) -> None:
    engine = Engine(sparse, EngineConfig(max_model_len=64))
    engine.add(request([1] * 64, "a", max_tokens=0))
    engine.add(request([1] * 63, "b", max_tokens=100))
