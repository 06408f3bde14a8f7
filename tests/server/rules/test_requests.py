"""Rules R1 to R3: what one request asks ends with that request, is bounded first, and names only tokens that exist.

Each test tries the fault of the advisories in its name on a real server, with its engine in a process of its own.
"""

import threading
from typing import Any

import pytest

from benchmarks.promises.served import Served
from octavo.server.limits import Limits
from tests.server.serving import echo, serving, status_of

VOCABULARY = 8192
HONEST = {"prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}
TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}

# Each ended the engine of another server for all of its users.
DEADLY: dict[str, dict[str, Any]] = {
    "structured_output_CVE_2026_105757": {
        "guided_json": {"type": "object", "properties": {"a": {"$ref": "#/nowhere"}}}
    },
    "structured_output_of_an_unknown_kind": {"guided_json": {"type": "no such type"}},
    "a_regex_that_is_none": {"guided_regex": "(("},
    "uninitialised_logprobs_CVE_2026_116180": {"logprobs": 20, "logit_bias": {"5": -100}, "temperature": 0},
    "logprobs_of_the_whole_prompt": {"logprobs": 20, "echo": True, "prompt_logprobs": 20, "max_tokens": 0},
    "penalties_CVE_2026_44223": {"presence_penalty": 2, "frequency_penalty": -2, "repetition_penalty": 100},
    "the_smallest_penalty": {"repetition_penalty": 0.01, "frequency_penalty": -2, "logprobs": 1},
    "more_than_128_logprob_ids_PYSEC_2026_4350": {"logprobs": 129},
    "prompt_embeds_PYSEC_2026_2303": {"prompt_embeds": "gASVAAAAAAAAAAA="},
    "a_stop_word_first_with_logprobs_llama_cpp_7038": {"stop": [" "], "logprobs": 3, "n": 4, "temperature": 1.5},
    "all_but_one_token_forbidden": {"logit_bias": {str(each): -100 for each in range(300)}, "top_k": 1},
    "the_smallest_temperature": {"temperature": 5e-324, "logprobs": 5},
    "the_smallest_top_p": {"top_p": 5e-324, "temperature": 2},
    "the_largest_min_p": {"min_p": 1, "temperature": 2, "top_k": 1},
    "the_largest_seed": {"seed": 2**63 - 1, "n": 16, "temperature": 2},
    "no_token_at_all": {"prompt": []},
    "an_empty_prompt": {"prompt": ""},
    "the_last_position": {"prompt": [5] * 255, "max_tokens": 1},
    "no_end": {"ignore_eos": True, "min_tokens": 8, "max_tokens": 8, "stop_token_ids": [2]},
}
DEADLY_CHATS: dict[str, dict[str, Any]] = {
    "a_tool_s_pattern_GHSA_vrq3_r879_7m65": {
        "tools": [
            {**TOOL, "function": {"name": "f", "parameters": {"properties": {"a": {"pattern": "((", "type": 7}}}}}
        ],
        "tool_choice": "required",
    },
    "a_schema_that_holds_itself": {
        "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"$ref": "#"}}}
    },
    "a_tool_without_parameters": {"tools": [{"type": "function", "function": {"name": "f"}}], "tool_choice": "auto"},
}


@pytest.mark.parametrize("name", [*DEADLY, *DEADLY_CHATS])
def test_rule_R1_a_request_s_trouble_is_its_own(served: Served, name: str) -> None:
    _, alone = served.ask("/v1/completions", HONEST)
    beside: list[Any] = []
    honest = threading.Thread(target=lambda: beside.append(served.ask("/v1/completions", HONEST)))
    honest.start()
    if name in DEADLY:
        status, _ = served.ask("/v1/completions", {"prompt": "Once", "max_tokens": 4, **DEADLY[name]})
    else:
        chat = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 4}
        status, _ = served.ask("/v1/chat/completions", {**chat, **DEADLY_CHATS[name]})
    honest.join()
    assert status in (200, 400)
    assert beside[0][1]["choices"] == alone["choices"]
    assert served.alive
    assert served.ask("/health")[0] == 200
    assert served.num_unfreed() == 0


MULTIPLIERS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "max_n": ({"n": 16, "temperature": 1}, {"n": 17, "temperature": 1}),
    "max_prompts": ({"prompt": ["a"] * 64}, {"prompt": ["a"] * 65}),
    "max_sequences": (
        {"prompt": ["a"] * 16, "n": 16, "temperature": 1},
        {"prompt": ["a"] * 17, "n": 16, "temperature": 1},
    ),
    "max_temperature": ({"temperature": 2}, {"temperature": 2.01}),
    "max_logprobs": ({"logprobs": 20}, {"logprobs": 21}),
    "max_stops": ({"stop": ["x"] * 16}, {"stop": ["x"] * 17}),
    "max_stop_characters": ({"stop": "x" * 64}, {"stop": "x" * 65}),
    "max_stop_token_ids": ({"stop_token_ids": [5] * 64}, {"stop_token_ids": [5] * 65}),
    "max_logit_bias": (
        {"logit_bias": {str(each): 0 for each in range(300)}},
        {"logit_bias": {str(each): 0 for each in range(301)}},
    ),
    "max_name_characters": ({"user": "u" * 256}, {"user": "u" * 257}),
    "max_grammar_bytes": ({"guided_regex": "a|" * 100 + "b"}, {"guided_regex": "a|" * 40_000 + "b"}),
}


@pytest.mark.parametrize("name", MULTIPLIERS)
def test_rule_R2_every_multiplier_is_bounded_GHSA_3mwp_wvh9_7528_PYSEC_2026_3704(served: Served, name: str) -> None:
    at_most, beyond = MULTIPLIERS[name]
    plain = {"prompt": "a", "max_tokens": 1}
    assert served.ask("/v1/completions", {**plain, **at_most})[0] == 200
    status, answer = served.ask("/v1/completions", {**plain, **beyond})
    assert status == 400
    assert name in answer["error"]["message"]
    assert str(getattr(Limits(), name)) in answer["error"]["message"].replace(",", "")


def test_rule_R2_a_number_without_bound_allocates_nothing_CVE_2026_34756(served: Served) -> None:
    before = served.memory()
    for fields in ({"n": 10**9}, {"best_of": 10**9}, {"max_tokens": 10**18}, {"logprobs": 10**9}, {"top_k": 10**12}):
        status, _ = served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1, **fields})
        assert status == 400
    status, _ = served.ask("/v1/chat/completions", {"messages": [{"role": "user", "content": "a"}] * 1025})
    assert status == 400
    assert served.memory() - before < 100_000_000


def test_rule_R2_headers_are_bounded_GHSA_rxc4_3w6r_4v47() -> None:
    head = b"GET / HTTP/1.1\r\nHost: a\r\n"
    with serving(echo, Limits()) as guarded:
        assert status_of(guarded.exchange(head + b"A: b\r\n" * 99 + b"\r\n", timeout=0.3)) == 200
        assert status_of(guarded.exchange(head + b"A: b\r\n" * 100 + b"\r\n")) == 431
        assert status_of(guarded.exchange(head + b"A: " + b"b" * 40_000 + b"\r\n\r\n")) == 431


@pytest.mark.parametrize("token", [VOCABULARY, VOCABULARY + 7, 2**31, 2**31 - 1, 2**40, 2**63, -1, -VOCABULARY])
@pytest.mark.parametrize("field", ["prompt", "stop_token_ids", "logit_bias"])
def test_rule_R3_token_ids_are_held_against_the_logits_CVE_2026_93840_CVE_2026_93989(
    served: Served, field: str, token: int
) -> None:
    value: Any = {str(token): 100.0} if field == "logit_bias" else [token]
    status, answer = served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1, field: value})
    assert status == 400
    assert len(answer["error"]["message"]) < 300


def test_rule_R3_the_last_token_is_one_and_a_neighbour_s_logits_stay_as_they_were(served: Served) -> None:
    _, alone = served.ask("/v1/completions", {**HONEST, "logprobs": 5})
    last = {
        "prompt": [VOCABULARY - 1],
        "max_tokens": 4,
        "logit_bias": {str(VOCABULARY - 1): 100},
        "stop_token_ids": [0],
    }
    found: list[Any] = []
    honest = threading.Thread(target=lambda: found.append(served.ask("/v1/completions", {**HONEST, "logprobs": 5})))
    honest.start()
    assert served.ask("/v1/completions", last)[0] == 200
    honest.join()
    assert found[0][1]["choices"][0]["text"] == alone["choices"][0]["text"]
    assert found[0][1]["choices"][0]["logprobs"]["tokens"] == alone["choices"][0]["logprobs"]["tokens"]


@pytest.mark.parametrize("field", ["allowed_token_ids", "bad_words"])
def test_rule_R3_fields_that_were_the_fault_elsewhere_are_not_here(served: Served, field: str) -> None:
    status, answer = served.ask("/v1/completions", {"prompt": "a", field: [VOCABULARY]})
    assert (status, field in answer["error"]["message"]) == (400, True)
