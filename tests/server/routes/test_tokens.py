"""/tokenize, /detokenize and /tokenizer_info say what the tokenizer says, and what lm-eval asks for."""

import pytest

from octavo import LLM
from octavo.server.routes.schema.replies import Detokenized, Tokenized, TokenizerInfo
from octavo.server.routes.tokens import describe_tokenizer
from octavo.tokenizer import Tokenizer
from tests.server.live import Live
from tests.tokenizer.conftest import SENTENCEPIECE
from tests.tokenizer.texts import hostile_texts, random_texts


def test_texts_go_there_and_back(mini_server: Live, mini: LLM) -> None:
    assert mini.tokenizer is not None
    for text in random_texts(30, 1) + hostile_texts(30, 1):
        found = mini_server.post("/tokenize", prompt=text).json()
        Tokenized.model_validate(found)
        assert found["tokens"] == mini.tokenizer.encode(text)
        assert found["count"] == len(found["tokens"]) and found["max_model_len"] == 2048
        bare = mini_server.post("/tokenize", prompt=text, add_special_tokens=False).json()["tokens"]
        assert found["tokens"] == [1, *bare]
        back = mini_server.post("/detokenize", tokens=bare).json()
        Detokenized.model_validate(back)
        assert back["prompt"] == mini.tokenizer.decode(bare, skip_special_tokens=False)


def test_tokens_are_spelled_when_asked_for(mini_server: Live) -> None:
    found = mini_server.post("/tokenize", prompt="The old", return_token_strs=True).json()
    assert found["token_strs"] == ["<s>", "The", " old"]


def test_a_conversation_has_the_ids_that_it_is_answered_by(mini_server: Live, mini: LLM) -> None:
    messages = [{"role": "user", "content": "Hello"}]
    found = mini_server.post("/tokenize", messages=messages).json()
    assert mini.tokenizer is not None
    assert found["tokens"] == mini.tokenizer.encode_chat(messages)


def test_the_tokenizers_configuration_names_its_ends(mini_server: Live) -> None:
    found = mini_server.http.get("/tokenizer_info").json()
    TokenizerInfo.model_validate(found)
    assert (found["bos_token"], found["eos_token"]) == ("<s>", "</s>")
    assert "[INST]" in found["chat_template"]


def test_a_tokenizer_without_a_configuration_is_described_too() -> None:
    found = describe_tokenizer(Tokenizer.from_file(SENTENCEPIECE["v3"]))
    assert (found["bos_token"], found["eos_token"], found["tokenizer_class"]) == ("<s>", "</s>", "Tokenizer")


@pytest.mark.parametrize(
    ("path", "asked", "says"),
    [
        ("/tokenize", {}, "one of prompt and messages"),
        ("/tokenize", {"prompt": "x", "messages": [{"role": "user", "content": "x"}]}, "one of prompt and messages"),
        ("/tokenize", {"prompt": 5}, "prompt is 5"),
        ("/tokenize", {"prompt": "x" * 500_000}, "at least"),
        ("/tokenize", {"text": "x"}, "no field that is known"),
        ("/detokenize", {"tokens": [1, -1]}, "tokens holds -1: want 0 to 8191"),
        ("/detokenize", {"tokens": [8192]}, "tokens holds 8192: want 0 to 8191"),
        ("/detokenize", {"tokens": ["1"]}, "tokens[0] is '1': want a valid integer"),
        ("/detokenize", {}, "tokens is missing"),
    ],
)
def test_what_cannot_be_answered_is_named(mini_server: Live, path: str, asked: dict[str, object], says: str) -> None:
    assert says in str(mini_server.error(path, 400, **asked)["message"])


def test_a_model_of_another_name_is_not_here(mini_server: Live) -> None:
    assert mini_server.error("/tokenize", 404, prompt="x", model="gpt-4")["code"] == "model_not_found"
