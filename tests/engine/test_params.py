"""SamplingParams takes what vLLM takes, with its defaults, and refuses the rest in one line."""

import dataclasses
import math

import pytest

from octavo.engine.params import SamplingParams
from octavo.errors import RequestError

BAD: list[tuple[dict[str, object], str]] = [
    ({"n": 0}, "n is 0: want a whole number from 1 to 1024"),
    ({"n": True}, "n is True: want a whole number"),
    ({"n": 10**9}, "n is 1000000000: want a whole number from 1 to 1024"),
    ({"n": 2, "temperature": 0}, "n is 2 with temperature 0: greedy samples are all the same"),
    ({"temperature": -0.1}, "temperature is -0.1: want a number from 0 to 100"),
    ({"temperature": math.nan}, "temperature is nan: want a number"),
    ({"temperature": math.inf}, "temperature is inf: want a number"),
    ({"temperature": "1"}, "temperature is '1': want a number"),
    ({"temperature": False}, "temperature is False: want a number"),
    ({"top_p": 0.0}, "top_p is 0: want a number above 0"),
    ({"top_p": 1.01}, "top_p is 1.01: want a number from 0 to 1"),
    ({"top_k": -2}, "top_k is -2: want a whole number from -1"),
    ({"top_k": 1.5}, "top_k is 1.5: want a whole number"),
    ({"min_p": 2}, "min_p is 2: want a number from 0 to 1"),
    ({"repetition_penalty": 0}, "repetition_penalty is 0: want a number from 0.01 to 100"),
    ({"presence_penalty": 2.5}, "presence_penalty is 2.5: want a number from -2 to 2"),
    ({"frequency_penalty": -3}, "frequency_penalty is -3: want a number from -2 to 2"),
    ({"stop": ""}, "stop holds a string of 0 characters: want 1 to 4096"),
    ({"stop": ["x" * 5000]}, "stop holds a string of 5000 characters"),
    ({"stop": ["x"] * 300}, "stop has 300 strings: want at most 256"),
    ({"stop": [1]}, "stop holds 1: want strings only"),
    ({"stop": 5}, "stop is 5: want a string or a list of strings"),
    ({"stop": b"x"}, "stop is b'x': want a string"),
    ({"stop": "x", "detokenize": False}, "stop is set but detokenize is False"),
    ({"stop_token_ids": [-1]}, "an id in stop_token_ids is -1: want a whole number from 0"),
    ({"stop_token_ids": "12"}, "stop_token_ids is '12': want a list of token ids"),
    ({"stop_token_ids": [True]}, "an id in stop_token_ids is True"),
    ({"stop_token_ids": list(range(1000))}, "stop_token_ids has 1000 ids: want at most 256"),
    ({"logit_bias": [1]}, r"logit_bias is \[1\]: want a dict"),
    ({"logit_bias": {"1": 1.0}}, "a key of logit_bias is '1': want a whole number"),
    ({"logit_bias": {1: 101}}, r"logit_bias\[1\] is 101: want a number from -100 to 100"),
    ({"logit_bias": {1: math.nan}}, r"logit_bias\[1\] is nan"),
    ({"seed": 2**63}, "seed is 9223372036854775808: want a whole number"),
    ({"seed": 0.5}, "seed is 0.5: want a whole number"),
    ({"max_tokens": -1}, "max_tokens is -1: want a whole number from 0"),
    ({"max_tokens": 4, "min_tokens": 5}, "min_tokens is 5, more than max_tokens, which is 4"),
    ({"min_tokens": -1}, "min_tokens is -1"),
    ({"logprobs": -2}, "logprobs is -2: want a whole number from -1"),
    ({"prompt_logprobs": True}, "prompt_logprobs is True: want a whole number"),
    ({"ignore_eos": 1}, "ignore_eos is 1: want True or False"),
    ({"routing": "yes"}, "routing is 'yes': want True or False"),
    ({"router_logits": True}, "router_logits is True but routing is not"),
    ({"temperature": "x" * 1000}, r"temperature is 'x{70,80}\.\.\.: want"),
]


@pytest.mark.parametrize(("params", "message"), BAD, ids=[str(params)[:40] for params, _ in BAD])
def test_a_value_out_of_bounds_is_refused_in_one_line(params: dict[str, object], message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        SamplingParams(**params)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 250


def test_the_defaults_are_vllms() -> None:
    params = SamplingParams()
    assert (params.n, params.temperature, params.top_p, params.top_k, params.min_p) == (1, 1.0, 1.0, 0, 0.0)
    assert (params.max_tokens, params.min_tokens, params.logprobs, params.prompt_logprobs) == (16, 0, None, None)
    assert (params.repetition_penalty, params.presence_penalty, params.frequency_penalty) == (1.0, 0.0, 0.0)
    assert params.skip_special_tokens
    assert not params.include_stop_str_in_output
    assert not params.ignore_eos


@pytest.mark.parametrize(
    "params",
    [
        {"temperature": 0, "top_k": -1, "top_p": 1, "min_p": 1, "seed": -(2**63)},
        {"stop": "x", "stop_token_ids": (1, 2), "logit_bias": {1: -100, 2: 100.0}},
        {"max_tokens": None, "min_tokens": 5, "logprobs": -1, "prompt_logprobs": 0},
        {"max_tokens": 0, "routing": True, "router_logits": True, "n": 1024},
    ],
    ids=str,
)
def test_values_at_their_bounds_are_taken(params: dict[str, object]) -> None:
    SamplingParams(**params)  # type: ignore[arg-type]


def test_one_stop_string_is_a_list_of_one() -> None:
    assert SamplingParams().stop_strings == ()
    assert SamplingParams(stop="ab").stop_strings == ("ab",)
    assert SamplingParams(stop=["ab", "c"]).stop_strings == ("ab", "c")


def test_params_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        SamplingParams().n = 2  # type: ignore[misc]
    with pytest.raises(TypeError):
        SamplingParams(2)  # type: ignore[misc]


@pytest.mark.parametrize(
    ("params", "edited"),
    [
        ({}, False),
        ({"top_k": 3}, False),
        ({"min_tokens": 1}, True),
        ({"logit_bias": {1: 1.0}}, True),
        ({"presence_penalty": 1}, True),
    ],
    ids=str,
)
def test_plain_requests_leave_the_logits_alone(params: dict[str, object], edited: bool) -> None:
    assert SamplingParams(**params).edited is edited  # type: ignore[arg-type]
