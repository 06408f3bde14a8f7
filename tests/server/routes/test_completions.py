"""/v1/completions through the stock client: what it says is what LLM says, whole and in a stream."""

import itertools
import re
from typing import Any

import numpy as np
import pytest

from octavo import LLM, SamplingParams
from octavo.server.routes.schema.replies import Completion
from tests.server.live import Live

PROMPT = "The old captain"
ASK: dict[str, Any] = {"model": "octavo-mini", "prompt": PROMPT, "max_tokens": 12, "temperature": 0}


def test_greedy_text_is_the_models_own(mini_server: Live, mini: LLM) -> None:
    answer = mini_server.client.completions.create(**ASK)
    (expected,) = mini.generate(PROMPT, SamplingParams(max_tokens=12, temperature=0))
    assert answer.choices[0].text == expected.outputs[0].text
    assert answer.choices[0].finish_reason == "length"
    assert answer.usage is not None
    assert answer.usage.completion_tokens == 12
    assert answer.usage.prompt_tokens == len(expected.prompt_token_ids)


@pytest.mark.parametrize(
    "asked",
    [
        {"temperature": 1, "seed": 7, "n": 3},
        {"temperature": 0.8, "seed": 7, "top_p": 0.9},
        {"temperature": 1, "seed": 1, "top_k": 5, "min_p": 0.1},
        {"presence_penalty": 1.5, "frequency_penalty": 0.5},
        {"repetition_penalty": 1.3},
        {"logit_bias": {"454": -100}},
        {"stop_token_ids": [438]},
        {"min_tokens": 5, "stop": " the"},
        {"stop": ["Count", " of"], "include_stop_str_in_output": True},
        {"ignore_eos": True, "max_tokens": 40},
    ],
    ids=str,
)
def test_every_control_does_what_it_does_in_llm(mini_server: Live, mini: LLM, asked: dict[str, Any]) -> None:
    answer = mini_server.post("/v1/completions", **{**ASK, **asked}).json()
    params = {**{"max_tokens": 12, "temperature": 0}, **asked}
    params["logit_bias"] = {int(key): value for key, value in asked.get("logit_bias", {}).items()} or None
    (expected,) = mini.generate(PROMPT, SamplingParams(**params))
    Completion.model_validate(answer)
    for choice, output in zip(answer["choices"], expected.outputs, strict=True):
        assert choice["text"] == output.text
        assert choice["finish_reason"] == output.finish_reason
        assert choice["stop_reason"] == output.stop_reason


@pytest.mark.parametrize(
    "asked",
    [
        {},
        {"logprobs": 2},
        {"echo": True, "logprobs": 1},
        {"temperature": 1, "seed": 3, "n": 3, "logprobs": 0},
        {"stop": ["ess of", "zz"], "logprobs": 1},
        {"prompt": [PROMPT, "In the"], "n": 2, "temperature": 1, "seed": 5, "echo": True},
        {"prompt": "Füße: 日本語 🎈", "temperature": 1.5, "seed": 8, "max_tokens": 40},
        {"return_token_ids": True},
        {"max_tokens": 0, "echo": True, "logprobs": 1},
    ],
    ids=str,
)
def test_a_stream_joined_is_the_whole_answer(mini_server: Live, asked: dict[str, Any]) -> None:
    whole = mini_server.post("/v1/completions", **{**ASK, **asked}).json()
    joined = mini_server.joined("/v1/completions", **{**ASK, **asked})
    assert joined["choices"] == whole["choices"]
    assert joined["usage"] == whole["usage"]
    assert joined.get("prompt_token_ids") == whole.get("prompt_token_ids")


@pytest.mark.parametrize("prompt", [PROMPT, [1, 450, 4996], [PROMPT, "Once"], [[1, 450], [1, 300, 301]]], ids=str)
def test_routings_are_those_of_llm(mini_server: Live, mini: LLM, prompt: Any) -> None:
    asked = {**ASK, "prompt": prompt, "routing": True, "router_logits": True}
    whole = mini_server.post("/v1/completions", **asked).json()
    Completion.model_validate(whole)
    joined = mini_server.joined("/v1/completions", **asked)
    expected = mini.generate(prompt, SamplingParams(max_tokens=12, temperature=0, routing=True, router_logits=True))
    single = len(expected) == 1
    for answer in (whole, joined):
        for choice, request in zip(answer["choices"], expected, strict=True):
            output = request.outputs[0]
            assert choice["token_ids"] == output.token_ids
            assert "".join(choice["tokens"]).endswith(choice["text"])
            same_arrays(choice, output, "")
            at = answer if single else choice
            assert at["prompt_token_ids"] == request.prompt_token_ids
            same_arrays(at, request, "prompt_")


def same_arrays(told: dict[str, Any], expected: Any, prefix: str) -> None:
    for name in ("routed_experts", "routed_weights", "router_logits"):
        array = getattr(expected, f"{prefix}{name}")
        assert np.array_equal(np.array(told[f"{prefix}{name}"], dtype=array.dtype), array)


def test_sglangs_name_for_routing_is_taken(mini_server: Live) -> None:
    answer = mini_server.post("/v1/completions", **ASK, return_routed_experts=True).json()
    assert len(answer["choices"][0]["routed_experts"]) == 12
    assert answer["choices"][0]["routed_experts"][-1] == [[-1, -1]] * 8


def test_the_first_chunk_of_a_stream_has_the_routing_of_the_prompt_and_no_other(mini_server: Live) -> None:
    chunks = mini_server.chunks("/v1/completions", **ASK, routing=True)
    assert [len(chunk.get("prompt_routed_experts", [])) for chunk in chunks] == [5] + [0] * (len(chunks) - 1)
    tokens, rows = (
        list(itertools.accumulate(len(chunk["choices"][0][name]) for chunk in chunks))
        for name in ("token_ids", "routed_experts")
    )
    # A row comes one step after its token, and the last chunk completes them.
    assert rows == [*(count - 1 for count in tokens[:-1]), 12]


def test_logprobs_of_an_echoed_prompt_are_those_of_score(mini_server: Live, mini: LLM) -> None:
    answer = mini_server.client.completions.create(**{**ASK, "max_tokens": 1}, echo=True, logprobs=1)
    found = answer.choices[0].logprobs
    (scored,) = mini.score(PROMPT)
    assert found is not None and found.token_logprobs is not None and found.top_logprobs is not None
    assert found.token_logprobs[:-1] == scored.logprobs
    assert found.token_logprobs[0] is None and found.top_logprobs[0] is None
    assert len(found.token_logprobs) == len(scored.token_ids) + 1
    for own, best in zip(found.token_logprobs[1:], found.top_logprobs[1:], strict=True):
        # A client asks whether a token was the greedy choice by comparing these floats.
        assert own in best.values() and own <= max(best.values())


def test_a_chosen_token_is_exactly_the_best_one(mini_server: Live) -> None:
    found = mini_server.client.completions.create(**ASK, logprobs=3).choices[0].logprobs
    assert found is not None and found.token_logprobs is not None and found.top_logprobs is not None
    assert [max(best.values()) for best in found.top_logprobs] == found.token_logprobs
    assert all(len(best) == 3 for best in found.top_logprobs)


@pytest.mark.parametrize("echo", [False, True])
def test_text_offsets_lead_to_the_tokens(mini_server: Live, echo: bool) -> None:
    answer = mini_server.post("/v1/completions", **ASK, echo=echo, logprobs=0).json()
    (choice,) = answer["choices"]
    offsets, tokens = choice["logprobs"]["text_offset"], choice["logprobs"]["tokens"]
    assert offsets == sorted(offsets) and offsets[0] == 0
    for offset, token in zip(offsets, tokens, strict=True):
        assert token == "<s>" or choice["text"].startswith(token, offset)


def test_ids_for_a_prompt_give_what_their_text_gives(mini_server: Live, mini: LLM) -> None:
    assert mini.tokenizer is not None
    ids = mini.tokenizer.encode(PROMPT)
    by_text = mini_server.post("/v1/completions", **ASK, echo=True).json()["choices"]
    by_ids = mini_server.post("/v1/completions", **{**ASK, "prompt": ids}, echo=True).json()["choices"]
    assert by_ids == by_text


def test_choices_of_several_prompts_are_numbered_prompt_by_prompt(mini_server: Live) -> None:
    asked = {**ASK, "prompt": ["One", "Two", "Three"], "n": 2, "temperature": 1, "seed": 1, "echo": True}
    choices = mini_server.post("/v1/completions", **asked).json()["choices"]
    assert [choice["index"] for choice in choices] == list(range(6))
    assert [choice["text"].split()[0][:3] for choice in choices] == ["One", "One", "Two", "Two", "Thr", "Thr"]


def test_the_usage_comes_last_when_it_is_asked_for(mini_server: Live) -> None:
    stream = mini_server.client.completions.create(**ASK, stream=True, stream_options={"include_usage": True})
    chunks = list(stream)
    # What several steps said may come in one chunk.
    assert 2 <= len(chunks) <= 13
    assert all(chunk.usage is None for chunk in chunks[:-1])
    assert chunks[-1].choices == [] and chunks[-1].usage is not None
    assert chunks[-1].usage.total_tokens == 17


def test_the_usage_may_come_always(mini_server: Live) -> None:
    options = {"include_usage": True, "continuous_usage_stats": True}
    chunks = mini_server.chunks("/v1/completions", **ASK, stream_options=options)
    told = [chunk["usage"]["completion_tokens"] for chunk in chunks]
    assert told[-2:] == [12, 12]
    assert told == sorted(told)
    assert 1 <= told[0] <= 12


def test_prompt_logprobs_are_in_vllms_form(mini_server: Live, mini: LLM) -> None:
    found = mini_server.post("/v1/completions", **ASK, prompt_logprobs=1).json()["prompt_logprobs"]
    (expected,) = mini.generate(PROMPT, SamplingParams(max_tokens=1, prompt_logprobs=1))
    assert expected.prompt_logprobs is not None
    assert found[0] is None
    for told, named in zip(found[1:], expected.prompt_logprobs[1:], strict=True):
        assert named is not None
        assert {int(token): entry["logprob"] for token, entry in told.items()} == {
            token: entry.logprob for token, entry in named.items()
        }


@pytest.mark.parametrize(
    ("asked", "param", "says"),
    [
        ({"prompt": []}, "prompt", "empty list"),
        ({"prompt": [[]]}, None, "no tokens"),
        ({"prompt": [1, -5]}, None, "token id -5"),
        ({"prompt": [8192]}, None, "want 0 to 8191"),
        ({"prompt": 5}, "prompt", "prompt is 5"),
        ({"prompt": ["a", 5]}, "prompt", r"prompt\[1\] is 5"),
        ({"prompt": [1] * 2048}, None, "2048 tokens long: want at most 2047"),
        ({"prompt": "word " * 40_000}, None, "at least .* tokens long: want at most 2047"),
        ({"prompt": ["a"] * 65}, "prompt", r"want at most 64 \(max_prompts\)"),
        ({"prompt": ["a"] * 64, "n": 8, "temperature": 1}, "n", r"512 outputs: want at most 256 \(max_sequences\)"),
        ({"n": 2}, None, "greedy samples are all the same"),
        ({"best_of": 2, "temperature": 1}, "best_of", "want both the same"),
        ({"suffix": "!"}, "suffix", "only writes what follows"),
        ({"stream_options": {}, "stream": False}, "stream_options", "stream is not true"),
        ({"router_logits": True}, "router_logits", "set routing to true"),
        ({"logit_bias": {"x": 1}}, "logit_bias", "the key 'x'"),
        ({"logit_bias": {"9999": 1}}, None, "want 0 to 8191"),
        ({"min_tokens": 13}, None, "more than max_tokens"),
    ],
)
def test_what_cannot_be_served_is_a_400_that_names_it(
    mini_server: Live, asked: dict[str, Any], param: str | None, says: str
) -> None:
    error = mini_server.error("/v1/completions", 400, **{**ASK, **asked})
    assert error["type"] == "invalid_request_error"
    assert error["param"] == param
    assert re.search(says, str(error["message"])), error
    # A stream that cannot begin has the same status.
    assert mini_server.error("/v1/completions", 400, **{**ASK, "stream": True, **asked})["param"] in (param, None)
