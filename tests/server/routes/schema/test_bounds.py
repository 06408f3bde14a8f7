"""Every bound is kept at its limit, passed one beyond it, named in the refusal, and described."""

from typing import Any

import pytest

from octavo.server.limits import Limits
from octavo.server.routes.schema.bounds import (
    COUNTS,
    NUMBERS,
    Bound,
    FieldError,
    check_bounds,
    check_sequences,
    describe_bounds,
    read_bias,
)
from octavo.server.routes.schema.chat import ChatRequest
from octavo.server.routes.schema.completions import CompletionRequest

LIMITS = Limits(max_n=5, max_temperature=1.5, max_stops=2, max_stop_characters=4, max_logit_bias=3, max_logprobs=7)
CHAT = {"messages": [{"role": "user", "content": "x"}]}
REALS = ("temperature", "top_p", "min_p", "repetition_penalty", "presence_penalty", "frequency_penalty")


def request_with(name: str, value: Any) -> Any:
    if name in CompletionRequest.model_fields:
        return CompletionRequest.model_validate({"prompt": "x", name: value})
    return ChatRequest.model_validate({**CHAT, name: value})


@pytest.mark.parametrize("name", NUMBERS)
def test_a_number_may_be_its_bound_and_nothing_beyond(name: str) -> None:
    bound = NUMBERS[name]
    step = 0.001 if name in REALS else 1
    check_bounds(request_with(name, bound.upper(LIMITS)), LIMITS)
    check_bounds(request_with(name, None), LIMITS)
    wrong = [bound.upper(LIMITS) + step, bound.least if bound.open else bound.least - step]
    if not bound.open:
        check_bounds(request_with(name, bound.least), LIMITS)
    for value in wrong:
        with pytest.raises(FieldError, match=f"^{name} is ") as caught:
            check_bounds(request_with(name, value), LIMITS)
        assert caught.value.param == name
        if isinstance(bound.most, str):
            assert f"({bound.most})" in str(caught.value)


def test_a_flag_of_a_numbers_name_is_none() -> None:
    check_bounds(ChatRequest.model_validate({**CHAT, "logprobs": True}), LIMITS)


@pytest.mark.parametrize(
    ("name", "value", "more"),
    [
        ("stop", ["a"] * 2, ["a"] * 3),
        ("stop_token_ids", [1] * 64, [1] * 65),
        ("logit_bias", {"1": 1.0, "2": 1.0, "3": 1.0}, {"1": 1.0, "2": 1.0, "3": 1.0, "4": 1.0}),
        ("guided_choice", ["a"] * 2, ["a"] * 3),
    ],
)
def test_a_list_may_be_as_long_as_its_bound(name: str, value: Any, more: Any) -> None:
    check_bounds(request_with(name, value), LIMITS)
    with pytest.raises(FieldError, match=rf"{name} has {len(more)} entries: want at most \d+ \({COUNTS[name]}\)"):
        check_bounds(request_with(name, more), LIMITS)


@pytest.mark.parametrize("stop", ["", "12345", ["1", ""]])
def test_a_stop_string_has_a_length(stop: Any) -> None:
    check_bounds(request_with("stop", "1234"), LIMITS)
    with pytest.raises(FieldError, match=r"want 1 to 4 \(max_stop_characters\)"):
        check_bounds(request_with("stop", stop), LIMITS)


def test_a_name_has_a_length() -> None:
    check_bounds(request_with("user", "x" * 256), LIMITS)
    with pytest.raises(FieldError, match=r"user has 257 characters: want at most 256 \(max_name_characters\)"):
        check_bounds(request_with("user", "x" * 257), LIMITS)


def test_outputs_are_counted_together() -> None:
    check_sequences(64, 4, Limits())
    with pytest.raises(FieldError, match="max_prompts"):
        check_sequences(65, 1, Limits())
    with pytest.raises(FieldError, match="max_sequences"):
        check_sequences(64, 5, Limits())


def test_a_bias_has_token_ids_for_keys() -> None:
    assert read_bias(None) is None
    assert read_bias({"42": 1.5, "7": -100}) == {42: 1.5, 7: -100}
    for key in ("x", "-1", "1.5", "²", "", "9" * 12):
        with pytest.raises(FieldError, match="want token ids"):
            read_bias({key: 1.0})
    with pytest.raises(FieldError, match=r"logit_bias\[3\] is 100.5: want a number from -100 to 100"):
        read_bias({"3": 100.5})


def test_bounds_are_told_in_full() -> None:
    assert "2147483648" in Bound(least=0, most=2**31).words(LIMITS)


def test_the_description_has_the_bounds_of_this_server() -> None:
    schema = CompletionRequest.model_json_schema()
    describe_bounds(schema, LIMITS)
    told = schema["properties"]
    assert {"minimum": 1, "maximum": 5}.items() <= told["n"]["anyOf"][0].items()
    assert told["temperature"]["anyOf"][0]["maximum"] == 1.5
    assert told["top_p"]["anyOf"][0]["exclusiveMinimum"] == 0
    assert told["stop"]["anyOf"][0]["maxLength"] == 4
    assert told["stop"]["anyOf"][1]["maxItems"] == 2 and told["stop"]["anyOf"][1]["items"]["maxLength"] == 4
    assert told["logit_bias"]["anyOf"][0]["maxProperties"] == 3
    assert told["logprobs"]["anyOf"][0]["maximum"] == 7
