"""What a request says becomes the engine's parameters and the grammar of its text, by whichever field it was said."""

import json
import re
from typing import Any

import pytest

from octavo.api.drafting import Drafter
from octavo.api.prompts import Prompt
from octavo.engine.params import SamplingParams
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.limits import Limits
from octavo.server.routes.asking import check_reported, read_grammar, read_params
from octavo.server.routes.schema.bounds import FieldError
from octavo.server.routes.schema.sampling import SamplingFields
from tests.server.scripted import ScriptedService

LIMITS = Limits()
SCHEMA = {"type": "object", "properties": {"b": {"type": "string"}, "a": {"type": "string"}}}


def params_of(**fields: Any) -> SamplingParams:
    body = SamplingFields.model_validate(fields)
    return read_params(body, LIMITS, max_tokens=5, logprobs=None, prompt_logprobs=None)


def grammar_of(**fields: Any) -> GrammarSpec | None:
    return read_grammar(SamplingFields.model_validate(fields), LIMITS)


def test_nothing_said_is_every_default() -> None:
    assert params_of() == SamplingParams(max_tokens=5)


def test_null_is_the_default_too() -> None:
    assert params_of(**dict.fromkeys(SamplingFields.model_fields)) == SamplingParams(max_tokens=5)


def test_what_is_said_is_taken() -> None:
    found = params_of(temperature=0.5, top_k=3, stop=["x"], logit_bias={"7": 2}, routing=True, seed=4, ignore_eos=True)
    assert found == SamplingParams(
        max_tokens=5, temperature=0.5, top_k=3, stop=["x"], logit_bias={7: 2}, routing=True, seed=4, ignore_eos=True
    )


@pytest.mark.parametrize(
    "fields",
    [
        {"response_format": {"type": "json_schema", "json_schema": {"name": "n", "schema": SCHEMA}}},
        {"structured_outputs": {"json": SCHEMA}},
        {"structured_outputs": {"json": json.dumps(SCHEMA)}},
        {"guided_json": SCHEMA},
        {"guided_json": json.dumps(SCHEMA)},
    ],
    ids=str,
)
def test_a_schema_is_a_grammar_in_the_order_of_its_fields(fields: dict[str, Any]) -> None:
    assert grammar_of(**fields) == GrammarSpec(kind="json_schema", source=json.dumps(SCHEMA))


@pytest.mark.parametrize(
    "fields",
    [
        {"guided_regex": "a+"},
        {"structured_outputs": {"regex": "a+"}},
        {"response_format": {"type": "regex", "pattern": "a+"}},
    ],
    ids=str,
)
def test_a_pattern_is_a_grammar(fields: dict[str, Any]) -> None:
    assert grammar_of(**fields) == GrammarSpec(kind="regex", source="a+")


@pytest.mark.parametrize("name", ["guided_choice", "structured_outputs"])
def test_a_choice_is_a_pattern_that_matches_it_alone(name: str) -> None:
    choices = ["yes (really)", "no.", "1+1", "a|b"]
    found = grammar_of(**{name: choices if name == "guided_choice" else {"choice": choices}})
    assert found is not None and found.kind == "regex"
    assert [text for text in (*choices, "no!", "yes", "a", "11") if re.fullmatch(found.source, text)] == choices


def test_any_object_or_any_text() -> None:
    assert grammar_of(response_format={"type": "json_object"}) == GrammarSpec(kind="json_object")
    assert grammar_of(structured_outputs={"json_object": True}) == GrammarSpec(kind="json_object")
    assert grammar_of(response_format={"type": "text"}) is None
    assert grammar_of() is None


@pytest.mark.parametrize(
    ("fields", "param", "says"),
    [
        ({"guided_regex": "a", "guided_json": {}}, "guided_regex", "given 2 times"),
        ({"response_format": {"type": "json_object"}, "guided_regex": "a"}, "guided_regex", "given 2 times"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema", "without schema"),
        ({"response_format": {"type": "regex"}}, "response_format.pattern", "without pattern"),
        ({"guided_json": "{"}, "guided_json", "want a JSON schema"),
        ({"guided_json": "[1]"}, "guided_json", "want a JSON schema"),
        ({"guided_choice": []}, "guided_choice", "nothing to choose from"),
        ({"guided_choice": ["a", ""]}, "guided_choice", "an empty text"),
        ({"structured_outputs": {}}, "structured_outputs", "is empty"),
        ({"guided_regex": "é" * 32_769}, "guided_regex", r"65538 bytes: want at most 65536 \(max_grammar_bytes\)"),
    ],
)
def test_what_is_no_form_is_named(fields: dict[str, Any], param: str, says: str) -> None:
    with pytest.raises(FieldError, match=says) as caught:
        grammar_of(**fields)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("params", "numbers"),
    [
        ({"max_tokens": 100}, 0),
        ({"max_tokens": 100, "logprobs": 0}, 100),
        ({"max_tokens": 100, "logprobs": 4, "n": 3}, 1500),
        ({"max_tokens": None, "logprobs": 0}, 502),
        ({"max_tokens": 5, "prompt_logprobs": 1}, 20),
        # Ten tokens of the prompt and five of the output, two layers, two experts and their weights; and four logits.
        ({"max_tokens": 5, "routing": True}, 15 * 2 * 4),
        ({"max_tokens": 5, "routing": True, "router_logits": True}, 15 * 2 * 8),
    ],
    ids=str,
)
def test_what_an_answer_may_hold_is_counted_before_it_is_asked_for(params: dict[str, Any], numbers: int) -> None:
    facts = ScriptedService([[5]], vocab_size=100).facts
    drafter = Drafter(config=facts.config, tokenizer=None, eos_token_ids=frozenset())
    draft = drafter.draft("x", Prompt(None, (1,) * 10), SamplingParams(**params, detokenize=False))
    check_reported([draft, draft], facts, Limits(max_reported=max(1, 2 * numbers)))
    if numbers:
        with pytest.raises(FieldError, match=rf"may hold {2 * numbers} .*\(max_reported\)"):
            check_reported([draft, draft], facts, Limits(max_reported=2 * numbers - 1))


def test_a_prompt_that_is_echoed_counts_for_each_output() -> None:
    facts = ScriptedService([[5]], vocab_size=100).facts
    drafter = Drafter(config=facts.config, tokenizer=None, eos_token_ids=frozenset())
    params = SamplingParams(n=4, max_tokens=1, logprobs=1, prompt_logprobs=1, detokenize=False)
    draft = drafter.draft("x", Prompt(None, (1,) * 10), params)
    check_reported([draft], facts, Limits(max_reported=28))
    check_reported([draft], facts, Limits(max_reported=88), echo=True)
    with pytest.raises(FieldError, match="may hold 88"):
        check_reported([draft], facts, Limits(max_reported=87), echo=True)


def test_options_of_a_stream_want_a_stream() -> None:
    with pytest.raises(FieldError, match="stream is not true"):
        params_of(stream_options={"include_usage": True})
    params_of(stream_options={"include_usage": True}, stream=True)
