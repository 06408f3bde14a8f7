"""Calls are read from what the model writes, whole or character by character, and reach the client as OpenAI's."""

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from octavo.config import mini
from octavo.server.routes.front import make_front
from octavo.server.routes.schema.bounds import FieldError
from octavo.server.routes.schema.chat import ChatRequest
from octavo.server.routes.tools import CallReader, new_call_id, read_offer
from octavo.server.settings import ServerSettings
from octavo.tokenizer import Tokenizer
from tests.server.live import Live, live_app
from tests.server.scripted import scripted_service
from tests.tokenizer.conftest import SENTENCEPIECE

PATH = "/v1/chat/completions"
ASK = [{"role": "user", "content": "Is it warm in Lyon?"}]
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}
CLOCK = {"type": "function", "function": {"name": "clock"}}
WRITTEN = (
    '[{"name": "weather", "arguments": {"city": "Ly\\"o}n]", "n": [1, {"a": 2}]}}, {"name":"clock","arguments":{}}]'
)


@pytest.fixture(scope="module")
def tokenizer() -> Tokenizer:
    return Tokenizer.from_file(SENTENCEPIECE["v3"])


@pytest.fixture(scope="module")
def caller(tokenizer: Tokenizer) -> Iterator[Live]:
    """A model with Mistral's v3 tokenizer that calls two functions, whatever it is asked; it has a second script."""
    calls = [tokenizer.vocabulary.control["[TOOL_CALLS]"], *tokenizer.encode(WRITTEN, add_bos=False), 2]
    front = make_front(("caller",), mini(), tokenizer)
    with live_app(lambda: scripted_service([calls, calls]), front, ServerSettings()) as live:
        yield live


def script(live: Live, tokenizer: Tokenizer, text: str, *, mark: bool = True, end: int | None = 2) -> None:
    ids = [tokenizer.vocabulary.control["[TOOL_CALLS]"]] if mark else []
    live.service.script = [[*ids, *tokenizer.encode(text, add_bos=False), *([end] if end else [])]] * 2


def read(text: str, *, most: int | None = None, pieces: int = 1) -> list[tuple[str | None, str]]:
    reader = CallReader(most)
    size = -(-len(text) // pieces) or 1
    told: dict[int, dict[str, Any]] = {}
    for start in range(0, len(text), size):
        for delta in reader.push(text[start : start + size]):
            call = told.setdefault(delta["index"], {"name": None, "arguments": ""})
            call["name"] = delta["function"].get("name", call["name"])
            call["arguments"] += delta["function"]["arguments"]
    whole = [(call.name, call.arguments) for call in reader.calls]
    assert [(call["name"], call["arguments"]) for _, call in sorted(told.items())] == whole
    return whole


@pytest.mark.parametrize("pieces", [1, 2, 3, 7, 1000])
def test_calls_are_read_the_same_in_any_pieces(pieces: int) -> None:
    first, second = read(WRITTEN, pieces=pieces)
    assert first[0] == "weather" and json.loads(first[1]) == {"city": 'Ly"o}n]', "n": [1, {"a": 2}]}
    assert second == ("clock", "{}")


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("", []),
        ("no call", []),
        ("[]", []),
        ('{"name": "f", "arguments": {}}', [("f", "{}")]),
        ('[{"arguments": {"a": 1}, "name": "f"}]', [("f", '{"a": 1}')]),
        ('[{"name": "f"}]', [("f", "{}")]),
        ('[{"name": "f", "arguments": "{\\"a\\": 1}"}]', [("f", '{"a": 1}')]),
        ('[{"name": "f", "arguments": null, "id": "123456789"}]', [("f", "null")]),
        ('[{"name": "f", "arguments": {"a": "x', [("f", '{"a": "x')]),
        ('[{"name": "f", "arguments": {"a": "\\\\"}} junk {"name": "g"}]', [("f", '{"a": "\\\\"}')]),
        ('[{"name": 5, "arguments": {}}]', []),
        ('[{"arguments": {}}]', []),
        ('[{"name": "f", "arguments": {}}, {"na', [("f", "{}")]),
        (' [ { "name" : "f" , "arguments" : { "a" : [ ] } } ] ', [("f", '{ "a" : [ ] }')]),
    ],
)
def test_calls_are_read_as_far_as_they_go(written: str, expected: list[tuple[str, str]]) -> None:
    for pieces in (1, 2, 5, 1000):
        assert read(written, pieces=pieces) == expected


def test_only_so_many_calls_are_told() -> None:
    assert [name for name, _ in read(WRITTEN, most=1)] == ["weather"]


def test_whatever_is_written_is_read_without_failing() -> None:
    random_ = random.Random(0)
    for _ in range(3000):
        text = list(WRITTEN)
        for _ in range(random_.randrange(1, 6)):
            place = random_.randrange(len(text))
            text[place : place + random_.randrange(3)] = random_.choice(['"', "\\", "{", "}", "[", "]", ",", ":", "\n"])
        written = "".join(text)[: random_.randrange(len(text) + 2)]
        assert read(written) == read(written, pieces=random_.randrange(2, 40)), written


def test_ids_have_nine_letters_and_digits() -> None:
    ids = {new_call_id() for _ in range(200)}
    assert len(ids) == 200
    assert all(len(each) == 9 and each.isalnum() and each.isascii() for each in ids)


def test_calls_reach_the_stock_client(caller: Live) -> None:
    answer = caller.client.chat.completions.create(model="caller", messages=ASK, tools=[WEATHER, CLOCK])
    choice = answer.choices[0]
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert choice.message.tool_calls is not None
    assert [call.function.name for call in choice.message.tool_calls] == ["weather", "clock"]
    assert json.loads(choice.message.tool_calls[0].function.arguments)["n"] == [1, {"a": 2}]
    result = [
        {"role": "tool", "tool_call_id": call.id, "content": '{"degrees": 21}'} for call in choice.message.tool_calls
    ]
    again = caller.client.chat.completions.create(model="caller", messages=[*ASK, choice.message, *result])
    # Nothing is offered now, so what the model writes after the mark is text.
    assert again.choices[0].message.content


def test_streamed_calls_are_the_whole_ones(caller: Live) -> None:
    asked = {"messages": ASK, "tools": [WEATHER, CLOCK]}
    whole = caller.post(PATH, **asked).json()["choices"][0]
    chunks = caller.chunks(PATH, **asked)
    calls: dict[int, dict[str, Any]] = {}
    for chunk in chunks:
        for delta in chunk["choices"][0]["delta"].get("tool_calls", ()):
            call = calls.setdefault(delta["index"], {"id": delta.get("id"), "name": None, "arguments": ""})
            call["name"] = delta["function"].get("name", call["name"])
            call["arguments"] += delta["function"]["arguments"]
    told = [(call["name"], call["arguments"]) for _, call in sorted(calls.items())]
    assert told == [(c["function"]["name"], c["function"]["arguments"]) for c in whole["message"]["tool_calls"]]
    assert all(len(call["id"]) == 9 for call in calls.values())
    assert chunks[-1]["choices"][0]["finish_reason"] == "tool_calls"
    assert len(chunks) > 10, "arguments come as they are written"


def test_the_prompt_offers_the_tools_as_mistral_common_does(caller: Live, tokenizer: Tokenizer) -> None:
    caller.post(PATH, messages=ASK, tools=[WEATHER])
    request, grammar = caller.service.asked[-1]
    offered = {**WEATHER, "function": {**WEATHER["function"], "description": ""}}
    assert list(request.prompt_token_ids) == tokenizer.encode_chat(ASK, tools=[offered])
    assert grammar is None


def test_text_before_the_calls_is_content(caller: Live, tokenizer: Tokenizer) -> None:
    mark = tokenizer.vocabulary.control["[TOOL_CALLS]"]
    before = tokenizer.encode("Let me look.", add_bos=False)
    caller.service.script = [[*before, mark, *tokenizer.encode('[{"name": "clock"}]', add_bos=False), 2]]
    message = caller.post(PATH, messages=ASK, tools=[CLOCK]).json()["choices"][0]["message"]
    assert message["content"] == "Let me look."
    assert message["tool_calls"][0]["function"] == {"name": "clock", "arguments": "{}"}


def test_what_was_announced_as_calls_and_is_none_is_text(caller: Live, tokenizer: Tokenizer) -> None:
    script(caller, tokenizer, "no JSON at all")
    asked = {"messages": ASK, "tools": [CLOCK]}
    choice = caller.post(PATH, **asked).json()["choices"][0]
    assert (choice["message"]["content"].strip(), choice["finish_reason"]) == ("no JSON at all", "stop")
    streamed = "".join(each["choices"][0]["delta"].get("content", "") for each in caller.chunks(PATH, **asked))
    assert streamed == choice["message"]["content"]


def test_text_that_spells_the_mark_calls_nothing(caller: Live, tokenizer: Tokenizer) -> None:
    script(caller, tokenizer, '[TOOL_CALLS] [{"name": "clock"}]', mark=False)
    message = caller.post(PATH, messages=ASK, tools=[CLOCK]).json()["choices"][0]["message"]
    assert message["content"] == '[TOOL_CALLS] [{"name": "clock"}]'
    assert "tool_calls" not in message


def test_calls_that_are_cut_end_by_their_length(caller: Live, tokenizer: Tokenizer) -> None:
    script(caller, tokenizer, '[{"name": "weather", "arguments": {"city": "Ly', end=None)
    choice = caller.post(PATH, messages=ASK, tools=[WEATHER]).json()["choices"][0]
    assert choice["finish_reason"] == "length"
    assert choice["message"]["tool_calls"][0]["function"]["arguments"] == '{"city": "Ly'


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "clock"}}], ids=str)
def test_a_forced_call_is_kept_to_a_grammar(caller: Live, tokenizer: Tokenizer, choice: Any) -> None:
    script(caller, tokenizer, '[{"name": "clock", "arguments": {}}]', mark=False)
    answer = caller.post(PATH, messages=ASK, tools=[WEATHER, CLOCK], tool_choice=choice).json()["choices"][0]
    request, grammar = caller.service.asked[-1]
    assert request.prompt_token_ids[-1] == tokenizer.vocabulary.control["[TOOL_CALLS]"]
    assert grammar is not None and grammar.kind == "json_schema"
    names = [item["properties"]["name"]["const"] for item in json.loads(grammar.source)["items"]["anyOf"]]
    assert names == (["weather", "clock"] if choice == "required" else ["clock"])
    assert answer["message"]["tool_calls"][0]["function"]["name"] == "clock"
    assert answer["finish_reason"] == "tool_calls"


def test_one_call_at_a_time_is_one_call(caller: Live, tokenizer: Tokenizer) -> None:
    script(caller, tokenizer, WRITTEN)
    asked = {"messages": ASK, "tools": [WEATHER, CLOCK], "parallel_tool_calls": False}
    assert len(caller.post(PATH, **asked).json()["choices"][0]["message"]["tool_calls"]) == 1


def test_tools_that_may_not_be_called_are_not_offered(caller: Live, tokenizer: Tokenizer) -> None:
    caller.post(PATH, messages=ASK, tools=[CLOCK], tool_choice="none")
    assert list(caller.service.asked[-1][0].prompt_token_ids) == tokenizer.encode_chat(ASK)


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"tool_choice": {"type": "function", "function": {"name": "wether"}}}, "did you mean 'weather'"),
        ({"tool_choice": "always"}, "want 'none', 'auto' or 'required'"),
        ({"response_format": {"type": "json_object"}}, "want one, or tool_choice 'none'"),
        ({"tools": [{"type": "function", "function": {"name": "two words"}}]}, "64 letters"),
        ({"tools": [CLOCK] * 129}, r"want at most 128 \(max_tools\)"),
    ],
)
def test_what_cannot_be_offered_is_named(caller: Live, asked: dict[str, Any], says: str) -> None:
    error = caller.error(PATH, 400, **{"messages": ASK, "tools": [WEATHER], **asked})
    assert says.replace("\\", "") in str(error["message"])


def test_a_model_without_a_tokenizer_cannot_call() -> None:
    body = ChatRequest.model_validate({"messages": ASK, "tools": [CLOCK]})
    with pytest.raises(FieldError, match="TOOL_CALLS"):
        read_offer(body, None)
