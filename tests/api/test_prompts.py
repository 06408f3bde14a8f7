"""Prompts come in vLLM's forms; anything else is named by its place."""

import pytest

from octavo.api.prompts import Prompt, read_conversations, read_prompts
from octavo.errors import RequestError


def encode(text: str) -> list[int]:
    return [ord(character) for character in text]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ("ab", [Prompt("ab", (97, 98))]),
        ([1, 2], [Prompt(None, (1, 2))]),
        ((1, 2), [Prompt(None, (1, 2))]),
        ({"prompt_token_ids": [1, 2]}, [Prompt(None, (1, 2))]),
        ({"prompt": "ab"}, [Prompt("ab", (97, 98))]),
        (["a", [1], {"prompt": "b"}], [Prompt("a", (97,)), Prompt(None, (1,)), Prompt("b", (98,))]),
        ([[1], [2, 3]], [Prompt(None, (1,)), Prompt(None, (2, 3))]),
        ([], []),
        ([[]], [Prompt(None, ())]),
    ],
    ids=str,
)
def test_every_form_is_read(given: object, read: list[Prompt]) -> None:
    assert read_prompts(given, encode) == read


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (None, "the prompt is a NoneType: want a string, a list of token ids"),
        (b"ab", "the prompt is a bytes: want a string"),
        (5, "the prompt is a int: want"),
        (["a", None], "prompt 1: the prompt is a NoneType"),
        (["a", [1, "b"]], "prompt 1: the prompt holds 'b': want token ids"),
        ([1, 2.0], "the prompt holds 2.0"),
        ([True], "the prompt holds True"),
        ({"text": "a"}, "the prompt is a dict with 'text': want"),
        ([{}], "prompt 0: the prompt is a dict with nothing"),
        ({"prompt": 5}, "the prompt is a dict with 'prompt'"),
    ],
    ids=str,
)
def test_anything_else_is_refused_in_one_line(given: object, message: str) -> None:
    with pytest.raises(RequestError, match=message) as caught:
        read_prompts(given, encode)
    assert "\n" not in str(caught.value)


def test_one_conversation_or_several() -> None:
    hello = {"role": "user", "content": "Hello"}
    assert read_conversations([hello]) == [[hello]]
    assert read_conversations([[hello], [hello, hello]]) == [[hello], [hello, hello]]


@pytest.mark.parametrize("messages", ["Hello", [], None, 5])
def test_what_is_no_conversation_is_refused(messages: object) -> None:
    with pytest.raises(RequestError, match="want a list of dicts with role and content"):
        read_conversations(messages)


def test_messages_among_conversations_are_refused() -> None:
    with pytest.raises(RequestError, match="want one conversation, or a list of them"):
        read_conversations([[{"role": "user", "content": "a"}], {"role": "user", "content": "a"}])
