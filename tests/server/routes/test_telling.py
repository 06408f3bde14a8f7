"""What stands beside the text: of a choice what is new, of a prompt once and whole, and the tokens counted."""

import numpy as np

from octavo.api.outputs import CompletionDelta
from octavo.server.routes.telling import PromptNews
from tests.server.live import Live


def delta(rows: int, logprobs: int) -> CompletionDelta:
    return CompletionDelta(
        request_id="x", index=0, text="", token_ids=[], logprobs=[], finish_reason=None, stop_reason=None,
        prompt_logprobs=[None] * logprobs, prompt_routed_experts=np.full((rows, 2, 2), rows, np.int16),
    )  # fmt: skip


def test_news_of_a_prompt_is_gathered_in_order() -> None:
    news = PromptNews()
    for rows in (3, 0, 2):
        news.take(delta(rows, 1))
    found = news.arrays()["routed_experts"]
    assert found is not None and found[:, 0, 0].tolist() == [3, 3, 3, 2, 2]
    assert news.arrays()["router_logits"] is None
    assert news.logprobs == [None] * 3


def test_a_prompt_that_is_read_in_chunks_is_told_once(mini_server: Live) -> None:
    prompt = "The old captain looked at the sea. " * 100
    chunks = mini_server.chunks("/v1/completions", prompt=prompt, max_tokens=3, temperature=0, routing=True)
    told = [len(chunk["prompt_routed_experts"]) for chunk in chunks if "prompt_routed_experts" in chunk]
    assert told == [len(chunks[0]["prompt_token_ids"])]
    assert len(chunks[0]["prompt_tokens"]) == told[0] > 600


def test_ids_come_alone_when_only_they_are_wanted(mini_server: Live) -> None:
    answer = mini_server.post("/v1/completions", prompt="The", max_tokens=2, return_token_ids=True).json()
    assert len(answer["choices"][0]["token_ids"]) == 2 and answer["prompt_token_ids"][0] == 1
    assert "routed_experts" not in answer["choices"][0] and "tokens" not in answer["choices"][0]


def test_nothing_is_told_that_was_not_wanted(mini_server: Live) -> None:
    answer = mini_server.post("/v1/completions", prompt="The", max_tokens=2).json()
    assert answer.keys() == {"id", "object", "created", "model", "choices", "usage"}
    assert answer["choices"][0].keys() == {"index", "text", "logprobs", "finish_reason", "stop_reason"}


def test_each_prompt_is_counted_once_and_every_output(mini_server: Live) -> None:
    asked = {"prompt": ["The", "The old"], "n": 3, "max_tokens": 4, "ignore_eos": True}
    usage = mini_server.post("/v1/completions", **asked).json()["usage"]
    assert usage == {"prompt_tokens": 2 + 3, "completion_tokens": 24, "total_tokens": 29}
