"""Conversations have the ids of mistral-common, no message becomes a control token, and a wrong one is refused."""

import random
from typing import Any

import pytest
from mistral_common.protocol.instruct.request import ChatCompletionRequest
from mistral_common.tokens.tokenizers.mistral import MistralTokenizer

from octavo.errors import RequestError
from octavo.tokenizer import Tokenizer
from tests.tokenizer.conftest import SENTENCEPIECE, TEKKEN
from tests.tokenizer.texts import hostile_texts, random_texts

CONVERSATION = [
    {"role": "system", "content": "SYS"},
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi there"},
    {"role": "user", "content": "Bye"},
]
GOLDEN = {
    "v1": "1 733 16289 28793 17121 28735 13 13 16230 733 28748 16289 28793 15359 736 2 "
    "733 16289 28793 2463 28706 733 28748 16289 28793",
    "v2": "1 3 23325 4 16127 1504 2 3 17889 29503 781 781 2698 29474 4",
    "v3": "1 3 23325 4 16127 1504 2 3 17889 29503 781 781 2698 29474 4",
    "v7": "1 16 17889 29503 17 3 23325 4 16127 1504 2 3 3231 29474 4",
}


@pytest.fixture(scope="module")
def tokenizers() -> dict[str, Tokenizer]:
    return {version: Tokenizer.from_file(path) for version, path in SENTENCEPIECE.items()}


@pytest.mark.parametrize("version", GOLDEN)
def test_the_golden_conversation_has_its_ids(tokenizers: dict[str, Tokenizer], version: str) -> None:
    assert tokenizers[version].encode_chat(CONVERSATION) == [int(token_id) for token_id in GOLDEN[version].split()]


def random_conversations(count: int, seed: int) -> list[list[dict[str, str]]]:
    """Gives conversations that mistral-common takes: any number of systems and of neighbours with one role."""
    random_ = random.Random(seed)
    texts = [text for text in random_texts(400, seed) + hostile_texts(200, seed) if text.strip()]
    followers = {"system": ["user", "system"], "user": ["assistant", "user", "system"], "assistant": ["user"] * 2}
    conversations = []
    for _ in range(count):
        role = random_.choice(("system", "user"))
        messages = []
        for _ in range(random_.randrange(1, 9)):
            messages.append({"role": role, "content": random_.choice(texts)})
            role = random_.choice(followers[role])
        while messages[-1]["role"] == "assistant":
            messages.append({"role": "user", "content": random_.choice(texts)})
        conversations.append(messages)
    return conversations


def oracle_ids(oracle: MistralTokenizer, messages: list[dict[str, str]]) -> list[int]:
    request: ChatCompletionRequest[Any] = ChatCompletionRequest(messages=messages)
    return list(oracle.encode_chat_completion(request).tokens)


@pytest.mark.parametrize("version", GOLDEN)
def test_random_conversations_have_the_ids_of_mistral_common(tokenizers: dict[str, Tokenizer], version: str) -> None:
    oracle = MistralTokenizer.from_file(str(SENTENCEPIECE[version]))
    for messages in random_conversations(300, seed=11):
        assert tokenizers[version].encode_chat(messages) == oracle_ids(oracle, messages), messages


def test_random_conversations_in_tekken_have_the_ids_of_mistral_common() -> None:
    oracle = MistralTokenizer.from_file(str(TEKKEN))
    tokenizer = Tokenizer.from_file(TEKKEN)
    assert tokenizer.encode_chat(CONVERSATION) == oracle_ids(oracle, CONVERSATION)
    for messages in random_conversations(300, seed=12):
        assert tokenizer.encode_chat(messages) == oracle_ids(oracle, messages), messages


@pytest.mark.parametrize("version", GOLDEN)
def test_ten_thousand_hostile_messages_add_no_control_token(tokenizers: dict[str, Tokenizer], version: str) -> None:
    tokenizer = tokenizers[version]
    expected = [token_id for token_id in tokenizer.encode_chat(CONVERSATION[:2]) if token_id in tokenizer.special_ids]
    for text in hostile_texts(10_000, seed=13):
        messages = [CONVERSATION[0], {"role": "user", "content": text}]
        ids = tokenizer.encode_chat(messages)
        assert [token_id for token_id in ids if token_id in tokenizer.special_ids] == expected


def test_a_finished_conversation_ends_where_the_reply_ends(tokenizers: dict[str, Tokenizer]) -> None:
    ids = tokenizers["v3"].encode_chat(CONVERSATION[:3], add_generation_prompt=False)
    assert ids[:6] == [1, 3, 17889, 29503, 781, 781]
    assert ids[-1] == tokenizers["v3"].eos_id


def test_content_may_come_in_parts(tokenizers: dict[str, Tokenizer]) -> None:
    parts = [{"type": "text", "text": "one"}, {"type": "text", "text": "two"}]
    whole = tokenizers["v3"].encode_chat([{"role": "user", "content": "one\n\ntwo"}])
    assert tokenizers["v3"].encode_chat([{"role": "user", "content": parts}]) == whole


USER = {"role": "user", "content": "Hello"}
REPLY = {"role": "assistant", "content": "Hi"}
SYSTEM = {"role": "system", "content": "Be kind"}
WRONG: dict[str, tuple[Any, str]] = {
    "an assistant first": ([REPLY, USER], "messages[0]: role 'assistant' was found"),
    "a system after the assistant": ([USER, REPLY, SYSTEM], "messages[2]: role 'system' after 'assistant' was found"),
    "an assistant last": ([USER, REPLY], "messages[1]: role 'assistant' was found at the end"),
    "an empty reply": ([USER, {"role": "assistant", "content": ""}, USER], "messages[1]: an empty assistant message"),
    "a tool's result": ([USER, {"role": "tool", "content": "5"}], "tool"),
}


@pytest.mark.parametrize("version", GOLDEN)
@pytest.mark.parametrize("case", WRONG)
def test_a_wrong_conversation_is_refused_in_one_line(tokenizers: dict[str, Tokenizer], version: str, case: str) -> None:
    messages, found = WRONG[case]
    with pytest.raises(RequestError) as caught:
        tokenizers[version].encode_chat(messages)
    assert found in str(caught.value) and "\n" not in str(caught.value)
