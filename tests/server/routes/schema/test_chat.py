"""Messages are read as OpenAI's clients write them, and as they send answers back."""

from typing import Any

import pytest
from pydantic import ValidationError

from octavo.server.routes.schema.chat import ChatRequest

CALL = {"id": "A1b2C3d4E", "type": "function", "function": {"name": "f", "arguments": "{}"}}
GOOD: list[dict[str, Any]] = [
    {"role": "system", "content": "x"},
    {"role": "developer", "content": "x", "name": "n"},
    {"role": "user", "content": ""},
    {"role": "user", "content": [{"type": "text", "text": "x"}, {"type": "text", "text": "y"}]},
    {"role": "assistant", "content": "x", "refusal": None, "annotations": [], "audio": None, "function_call": None},
    {"role": "assistant", "content": None, "tool_calls": [CALL]},
    {"role": "assistant", "tool_calls": [{**CALL, "index": 0}]},
    {"role": "tool", "content": "x", "tool_call_id": "A1b2C3d4E"},
]
BAD: list[tuple[Any, str]] = [
    ({"role": "user"}, "Field required"),
    ({"role": "user", "content": None}, "it is null: want a string or a list of text parts"),
    ({"role": "user", "content": 5}, "it is 5: want a string or a list of text parts"),
    ({"role": "user", "content": ["x"]}, "it holds a part 'x'"),
    ({"role": "user", "content": [{"type": "text"}]}, "it holds a part 'text'"),
    ({"role": "user", "content": [{"type": "image_url", "text": "x"}]}, "a part of type 'image_url': want 'text'"),
    ({"role": "user", "content": "x", "tool_calls": []}, "'tool_calls' is no field"),
    ({"role": "assistant", "content": "x", "refusal": "no"}, "none"),
    ({"role": "assistant", "tool_calls": [{**CALL, "type": "custom"}]}, "function"),
    ({"role": "assistant", "tool_calls": [{**CALL, "function": {"name": "f", "arguments": {}}}]}, "string"),
    ({"content": "x"}, "discriminator"),
    ("x", "object|dictionary|discriminator"),
]


@pytest.mark.parametrize("message", GOOD, ids=str)
def test_what_clients_send_is_read(message: dict[str, Any]) -> None:
    (read,) = ChatRequest.model_validate({"messages": [message]}).messages
    assert read.role == message["role"]
    assert read.content == message.get("content")


@pytest.mark.parametrize(("message", "says"), BAD)
def test_what_is_no_message_is_named(message: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        ChatRequest.model_validate({"messages": [message]})


def test_a_long_list_of_wrong_messages_is_one_error() -> None:
    with pytest.raises(ValidationError) as caught:
        ChatRequest.model_validate({"messages": [{"role": "x"}] * 50_000})
    assert caught.value.error_count() == 1


def test_a_choice_of_tool_is_a_word_or_a_name() -> None:
    for choice in ("none", "auto", "required", {"type": "function", "function": {"name": "f"}}, None):
        ChatRequest.model_validate({"messages": GOOD, "tool_choice": choice})
    with pytest.raises(ValidationError):
        ChatRequest.model_validate({"messages": GOOD, "tool_choice": "f"})
