"""The whole server, its engine in a process of its own, says to the bit what an engine in this process says."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import octavo
from octavo.server.routes.front import Front
from octavo.server.settings import ServerSettings
from tests.server.engines import engine_process
from tests.server.live import Live, live_app

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
PROMPT = "The old captain"
MESSAGES = [{"role": "user", "content": "Name a city and how many live there."}]
CITY = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "people": {"enum": [1, 2, 3]}},
    "required": ["city", "people"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def whole(front: Front) -> Iterator[Live]:
    folder = Path(octavo.__file__).parent / "mini"
    with live_app(lambda: engine_process(folder, page_size=16), front, ServerSettings()) as live:
        yield live


@pytest.mark.parametrize(
    "asked",
    [
        {"temperature": 0},
        {"temperature": 0, "logprobs": 5, "echo": True},
        {"temperature": 1, "seed": 4, "n": 3, "logprobs": 2},
        {"temperature": 1, "seed": 4, "top_p": 0.8, "top_k": 40, "min_p": 0.01, "repetition_penalty": 1.2},
        {"temperature": 0, "routing": True, "router_logits": True},
        {"temperature": 0, "logit_bias": {"454": -5.5}, "stop": ["the"], "stop_token_ids": [7]},
        # Whether two prompts share a batch shows in the last bit of a weight, so only their text is asked for.
        {"prompt": [[1, 450], [1, 9, 9]], "temperature": 1, "seed": 1, "return_token_ids": True},
        {"temperature": 0, "prompt_logprobs": 3, "min_tokens": 4, "ignore_eos": True},
    ],
    ids=str,
)
def test_an_engine_elsewhere_says_the_same(whole: Live, mini_server: Live, asked: dict[str, Any]) -> None:
    fields = {"prompt": PROMPT, "max_tokens": 12, **asked}
    here, there = (live.post(TEXT, **fields).json() for live in (mini_server, whole))
    for answer in (here, there):
        answer.pop("id"), answer.pop("created")
    assert there == here
    joined = whole.joined(TEXT, **fields)
    assert joined["choices"] == here["choices"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_text_is_kept_to_a_schema(whole: Live, stream: bool) -> None:
    form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY}}
    for seed in range(3):
        asked = {"messages": MESSAGES, "response_format": form, "max_tokens": 300, "temperature": 1.5, "seed": seed}
        if stream:
            chunks = whole.chunks(CHAT, **asked)
            text = "".join(chunk["choices"][0]["delta"].get("content", "") for chunk in chunks)
            reason = chunks[-1]["choices"][0]["finish_reason"]
        else:
            choice = whole.post(CHAT, **asked).json()["choices"][0]
            text, reason = choice["message"]["content"], choice["finish_reason"]
        # White space may go on for as long as the model likes.
        if reason == "stop":
            found = json.loads(text)
            assert len(found["city"]) <= 8 and found["people"] in (1, 2, 3) and len(found) == 2


def test_a_text_is_kept_to_a_pattern_or_a_choice(whole: Live) -> None:
    for seed in range(5):
        asked = {"prompt": PROMPT, "temperature": 1.5, "seed": seed, "max_tokens": 40}
        text = whole.post(TEXT, **asked, guided_regex=r"[a-f]{2}-\d{3}").json()["choices"][0]["text"]
        assert re.fullmatch(r"[a-f]{2}-\d{3}", text)
        text = whole.post(TEXT, **asked, guided_choice=["yes (really)", "no."]).json()["choices"][0]["text"]
        assert text in ("yes (really)", "no.")


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("form", [{"guided_regex": "(a+"}, {"guided_json": {"type": "nope"}}], ids=str)
def test_a_form_that_cannot_be_is_a_400_in_a_stream_too(whole: Live, form: dict[str, Any], stream: bool) -> None:
    error = whole.error(TEXT, 400, prompt=PROMPT, stream=stream, **form)
    assert "cannot be used" in str(error["message"])


def test_the_text_of_one_is_not_kept_to_the_form_of_another(whole: Live) -> None:
    before = whole.post(TEXT, prompt=PROMPT, temperature=0, max_tokens=8).json()["choices"]
    whole.post(TEXT, prompt=PROMPT, temperature=0, max_tokens=8, guided_regex="[0-9]{8}")
    assert whole.post(TEXT, prompt=PROMPT, temperature=0, max_tokens=8).json()["choices"] == before
