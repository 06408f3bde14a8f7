"""Messages are read as the OpenAI API writes them, and a wrong one is refused by its number."""

from typing import Any

import pytest

from octavo.errors import RequestError
from octavo.tokenizer.messages import check_messages

USER = {"role": "user", "content": "Hello"}


def test_a_message_keeps_its_other_fields() -> None:
    message = check_messages([{**USER, "name": "Ada"}])[0]
    assert (message.role, message.parts, message.rest) == ("user", ("Hello",), {"name": "Ada"})


def test_content_may_come_in_parts() -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": ""}, {"type": "text", "text": "two"}]
    assert check_messages([{"role": "user", "content": parts}])[0].text(" + ") == "one + two"


def test_a_call_of_a_tool_needs_no_content() -> None:
    assert check_messages([{"role": "assistant", "content": None, "tool_calls": [{"id": "1"}]}])[0].parts is None


WRONG: dict[str, tuple[Any, str]] = {
    "no list": ("Hello", "messages of type str were found"),
    "one message bare": (USER, "messages of type dict were found"),
    "a number": (5, "messages of type int were found"),
    "nothing": ([], "no message was found"),
    "a text as message": (["Hello"], r"messages[0]: str was found"),
    "no role": ([{"content": "x"}], "messages[0]: role None was found"),
    "an unknown role": ([USER, {"role": "wizard", "content": "x"}], "messages[1]: role 'wizard' was found"),
    "a role that is a list": ([{"role": [], "content": "x"}], "messages[0]: role [] was found"),
    "no content": ([{"role": "user"}], "messages[0]: content of type NoneType was found"),
    "a number as content": ([{"role": "user", "content": 5}], "messages[0]: content of type int was found"),
    "bytes as content": ([{"role": "user", "content": b"x"}], "messages[0]: content of type bytes was found"),
    "a picture": ([{"role": "user", "content": [{"type": "image_url"}]}], "content that is not text was found"),
    "a lone surrogate": ([{"role": "user", "content": "a\ud800"}], "messages[0]: the text has a lone surrogate U+D800"),
    "a surrogate beside": ([{**USER, "name": "\udc00"}], "lone surrogate U+DC00"),
    "a value that is not JSON": ([{**USER, "name": {1, 2}}], "a value of type set was found"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_message_is_refused_in_one_line(case: str) -> None:
    messages, found = WRONG[case]
    with pytest.raises(RequestError) as caught:
        check_messages(messages)
    assert found in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 300


def test_a_message_nested_without_end_is_refused() -> None:
    nested: list[Any] = []
    nested.append(nested)
    with pytest.raises(RequestError, match="nested deeper than 64"):
        check_messages([{**USER, "name": nested}])
