"""The runner clears what it is handed, and what one request left behind reaches no other."""

import pytest
import torch

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.model import Transformer
from tests.engine.serving import drive, prompts_of, request, serve, tiny


def test_nothing_that_lay_in_the_cache_is_ever_read(model: Transformer) -> None:
    prompts = prompts_of(8)
    params = {"temperature": 0, "max_tokens": 12}
    wanted = serve(model, prompts, params)
    engine = Engine(model, EngineConfig(page_size=4, num_pages=60))
    # All but the null page is poison.
    engine.runner.cache.key_LPBGH[:, 1:] = torch.nan
    engine.runner.cache.value_LPBGH[:, 1:] = torch.nan
    served = drive(engine, [request(prompt, str(place), **params) for place, prompt in enumerate(prompts)])
    assert [one.token_ids for one in served] == [one.token_ids for one in wanted]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_request_whose_numbers_break_ends_alone(bad: float) -> None:
    sparse = tiny()
    prompts = [tuple(token for token in prompt if token != 13) or (1,) for prompt in prompts_of(6, seed=3)]
    params = {"temperature": 0, "max_tokens": 6, "logit_bias": {13: -100}}
    wanted = serve(sparse, prompts, params)
    with torch.no_grad():
        sparse.tok_embeddings.weight[13] = bad
    broken = (5, 13, 7)
    for limits in ({}, {"max_num_batched_tokens": 7}, {"num_pages": 26}):
        served = serve(sparse, [*prompts[:3], broken, *prompts[3:]], params, **limits)
        ill = served.pop(3)
        assert ill.ends == {0: ("error", None)}
        assert ill.token_ids == {}
        assert [one.token_ids for one in served] == [one.token_ids for one in wanted]


def test_a_prompt_whose_logits_break_is_not_scored(sparse: Transformer) -> None:
    broken = tiny()
    with torch.no_grad():
        broken.tok_embeddings.weight[13] = torch.nan
    whole, ill = serve(broken, [(1, 2, 3), (1, 13, 2, 3)], {"max_tokens": 0, "prompt_logprobs": 0})
    assert whole.ends == {0: ("length", None)}
    assert len(whole.prompt_logprobs) == 2
    assert ill.ends == {0: ("error", None)}
