"""A model folder's tokenizer, whatever its files, encodes without loss and never lets a text become a control token."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer import Tokenizer, has_tokenizer_files
from tests.tokenizer.conftest import SENTENCEPIECE, TEKKEN, mixtral_json
from tests.tokenizer.texts import hostile_texts, random_texts

UNICODE = st.text(st.characters(exclude_categories=["Cs"]))


@pytest.fixture(scope="module")
def own(own_folder: Path) -> Tokenizer:
    return Tokenizer.from_folder(own_folder)


@settings(max_examples=500, deadline=None)
@given(text=UNICODE)
def test_our_own_tokenizer_loses_nothing(own: Tokenizer, text: str) -> None:
    ids = own.encode(text, add_bos=False)
    assert own.decode(ids) == text
    assert own.special_ids.isdisjoint(ids)


@pytest.mark.parametrize("file", [*SENTENCEPIECE, "tekken", "own", "mixtral"])
def test_ten_thousand_hostile_texts_hold_no_control_token(file: str, own: Tokenizer, tmp_path: Path) -> None:
    if file == "mixtral":
        (tmp_path / "tokenizer.json").write_text(mixtral_json(metaspace=False))
        tokenizer = Tokenizer.from_folder(tmp_path)
    elif file == "own":
        tokenizer = own
    else:
        tokenizer = Tokenizer.from_file(SENTENCEPIECE.get(file, TEKKEN))
    for text in hostile_texts(10_000, seed=31):
        ids = tokenizer.encode(text, add_bos=False)
        assert tokenizer.special_ids.isdisjoint(ids)
        if file in ("tekken", "own"):
            assert tokenizer.decode(ids) == text


@pytest.mark.parametrize("metaspace", [False, True])
def test_a_tokenizer_json_gives_the_ids_and_texts_of_transformers(tmp_path: Path, metaspace: bool) -> None:
    from transformers import PreTrainedTokenizerFast

    (tmp_path / "tokenizer.json").write_text(mixtral_json(metaspace=metaspace))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"bos_token": "<s>", "eos_token": "</s>"}))
    theirs = PreTrainedTokenizerFast.from_pretrained(tmp_path)
    ours = Tokenizer.from_folder(tmp_path)
    for text in random_texts(2_000, seed=32):
        if not any(token in text for token in ("<s>", "</s>", "<unk>")):
            assert ours.encode(text) == theirs(text)["input_ids"]
            ids = ours.encode(text, add_bos=False)
            assert ours.decode(ids) == theirs.decode(ids)


def test_a_prompt_begins_as_the_folder_says(own_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    tokenizer = Tokenizer.from_folder(tmp_path)
    bare = tokenizer.encode("fox", add_bos=False)
    assert tokenizer.encode("fox") == tokenizer.encode("fox", add_bos=True) == [1, *bare]
    config = json.loads((tmp_path / "tokenizer_config.json").read_text())
    for switches, begin, end in (((False, False), [], []), ((True, True), [1], [2]), ((None, None), [1], [])):
        config["add_bos_token"], config["add_eos_token"] = switches
        (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
        assert Tokenizer.from_folder(tmp_path).encode("fox") == [*begin, *bare, *end]


def test_the_ids_that_end_a_text_come_from_both_files(own_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    assert Tokenizer.from_folder(tmp_path).eos_ids == (2,)
    for value, expected in ((7, (2, 7)), ([2, 9], (2, 9)), (None, (2,))):
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": value}))
        assert Tokenizer.from_folder(tmp_path).eos_ids == expected


def test_the_text_of_a_token_stands_by_itself(own: Tokenizer) -> None:
    assert own.token_text(1) == "<s>"
    assert own.token_text(5 + 0x41) == "A"
    assert own.token_text(5 + 0xF0) == "<0xF0>"
    assert "".join(own.texts_by_token(own.encode("the quick 😀"))) == "<s>the quick 😀"
    with pytest.raises(TokenizerError, match=r"token id 400 was found.*ids 0 to 399"):
        own.token_text(400)


@pytest.mark.parametrize("text", ["a\ud800b", "\udfff"])
def test_a_lone_surrogate_is_refused(own: Tokenizer, text: str) -> None:
    with pytest.raises(RequestError, match=r"lone surrogate U\+D"):
        own.encode(text)


def test_a_prompt_that_is_no_text_is_refused(own: Tokenizer) -> None:
    with pytest.raises(RequestError, match="a text of type bytes was found, str was wanted"):
        own.encode(b"x")  # type: ignore[arg-type]


def test_an_added_token_without_its_mark_is_a_control_token_all_the_same(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(mixtral_json(metaspace=False, ordinary=("<|im_start|>", "ordinary")))
    ours = Tokenizer.from_folder(tmp_path)
    assert ours.vocabulary.control["<|im_start|>"] == 32000
    assert 32000 not in ours.encode("x<|im_start|>y") and 32001 in ours.encode("an ordinary day")


def test_the_files_of_a_folder_are_found(tmp_path: Path, own_folder: Path) -> None:
    assert not has_tokenizer_files(tmp_path) and not has_tokenizer_files(tmp_path / "nowhere")
    for version in ("v1", "v3"):
        shutil.copy(SENTENCEPIECE[version], tmp_path / f"tokenizer.model.{version}")
    assert has_tokenizer_files(tmp_path)
    assert Tokenizer.from_folder(tmp_path).path.name == "tokenizer.model.v3"
    shutil.copy(own_folder / "tokenizer.json", tmp_path)
    assert Tokenizer.from_folder(tmp_path).path.name == "tokenizer.json"
    assert Tokenizer.from_folder(tmp_path, mode="mistral").path.name == "tokenizer.model.v3"
    with pytest.raises(TokenizerError, match=r"no tokenizer file was found, tokenizer.json was wanted"):
        Tokenizer.from_folder(SENTENCEPIECE["v1"].parent, mode="hf")


@pytest.mark.parametrize(("version", "system_ids"), [("v1", 0), ("v2", 0), ("v3", 0), ("v7", 2)])
def test_a_model_without_a_version_in_its_name_tells_it_by_its_tokens(
    tmp_path: Path, version: str, system_ids: int
) -> None:
    shutil.copy(SENTENCEPIECE[version], tmp_path / "tokenizer.model")
    named = Tokenizer.from_file(SENTENCEPIECE[version])
    messages = [{"role": "system", "content": "a"}, {"role": "user", "content": "b"}]
    assert Tokenizer.from_folder(tmp_path).encode_chat(messages) == named.encode_chat(messages)


def test_a_folder_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"no tokenizer file was found, tokenizer.json, tekken.json, or"):
        Tokenizer.from_folder(tmp_path)
    with pytest.raises(TokenizerError, match=r"nowhere: no folder was found"):
        Tokenizer.from_folder(tmp_path / "nowhere")


def test_a_folder_without_a_chat_template_takes_prompts_only(own_folder: Path, tmp_path: Path) -> None:
    shutil.copy(own_folder / "tokenizer.json", tmp_path)
    tokenizer = Tokenizer.from_folder(tmp_path)
    assert tokenizer.encode("fox")
    with pytest.raises(RequestError, match=r"has no chat template; give a prompt, or add one as chat_template.jinja"):
        tokenizer.encode_chat([{"role": "user", "content": "fox"}])


def test_a_name_with_the_wrong_version_is_refused(tmp_path: Path) -> None:
    shutil.copy(SENTENCEPIECE["v1"], tmp_path / "tokenizer.model.v3")
    with pytest.raises(TokenizerError, match=r"tokenizer.model.v3: chat format v3 .* lacks \[INST\], \[/INST\]"):
        Tokenizer.from_folder(tmp_path)
    (tmp_path / "tokenizer.model.v3").rename(tmp_path / "tokenizer.model.v11")
    with pytest.raises(TokenizerError, match="version v11 was found, one of v1, v2, v3, v7 was wanted"):
        Tokenizer.from_folder(tmp_path)


def edited(own_folder: Path, **changes: Any) -> str:
    return json.dumps(json.loads((own_folder / "tokenizer.json").read_text()) | changes)


WRONG: dict[str, tuple[str, Any, str]] = {
    "empty": ("tokenizer.json", "", "Expecting value"),
    "no JSON": ("tokenizer.json", "<html>404</html>", "Expecting value"),
    "a list": ("tokenizer.json", "[]", "a JSON list was found"),
    "nested too deep": ("tokenizer.json", "[" * 100_000, "nested too deep"),
    "no model": ("tokenizer.json", "{}", "KeyError 'model'"),
    "a unigram": ("tokenizer.json", {"model": {"type": "Unigram", "vocab": []}}, "a Unigram tokenizer was found"),
    "a text as model": ("tokenizer.json", {"model": "x"}, "was wanted"),
    "a merge of nothing": ("tokenizer.json", {"model": {"vocab": {"a": 0}, "merges": ["a b"]}}, "was wanted"),
    "an id that is text": ("tokenizer.json", {"model": {"vocab": {"a": "x"}, "merges": []}}, "id 'x' for token 'a'"),
    "a huge id": ("tokenizer.json", {"model": {"vocab": {"a": 10**12}, "merges": []}}, "id 1000000000000"),
    "one id for two": (
        "tokenizer.json",
        {"model": {"vocab": {"a": 9, "b": 9}, "merges": []}},
        "two tokens with one id",
    ),
    "a strange decoder": ("tokenizer.json", {"decoder": {"type": "WordPiece"}}, 'decoder step {"type": "WordPiece"}'),
    "a strange end": ("tokenizer.json", {"post_processor": {"type": "BertProcessing"}}, "BertProcessing was found"),
    "a strange splitter": ("tokenizer.json", {"pre_tokenizer": {"type": "Nonsense"}}, "was wanted"),
    "a damaged configuration": ("tokenizer_config.json", "{", "a JSON object was wanted"),
    "a token that is a number": ("tokenizer_config.json", '{"bos_token": 5}', "bos_token of type int was found"),
    "a token that is not there": ("tokenizer_config.json", '{"bos_token": "<x>"}', "bos_token '<x>' was found"),
    "a template that is a number": ("tokenizer_config.json", '{"chat_template": 5}', "template of type int was found"),
    "templates without default": (
        "tokenizer_config.json",
        '{"chat_template": [{"name": "rag", "template": "x"}]}',
        "named rag were found",
    ),
    "another id for a token": (
        "tokenizer_config.json",
        '{"added_tokens_decoder": {"77": {"content": "<s>", "special": true}}}',
        "'<s>' with ids 1 and 77",
    ),
    "a damaged map": ("special_tokens_map.json", "no", "a JSON object was wanted"),
    "a template that is not UTF-8": ("chat_template.jinja", b"\xff", "UTF-8 was wanted"),
    "an end that is text": ("generation_config.json", '{"eos_token_id": "x"}', "eos_token_id 'x' was found"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_damaged_folder_is_refused_in_one_line_that_names_the_file(
    own_folder: Path, tmp_path: Path, case: str
) -> None:
    name, content, found = WRONG[case]
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    if isinstance(content, dict):
        content = edited(own_folder, **content) if content else "{}"
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_folder(tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path)) and found in message and "\n" not in message and len(message) < 500


def test_a_truncated_tokenizer_json_is_refused(own_folder: Path, tmp_path: Path) -> None:
    whole = (own_folder / "tokenizer.json").read_bytes()
    for size in range(0, len(whole.rstrip()), 997):
        (tmp_path / "tokenizer.json").write_bytes(whole[:size])
        with pytest.raises(TokenizerError, match=r"tokenizer.json: .* was wanted; fetch the file again"):
            Tokenizer.from_folder(tmp_path)


def test_the_import_brings_neither_torch_nor_the_oracles() -> None:
    code = (
        "import sys, octavo.tokenizer; "
        "print([name for name in ('torch', 'transformers', 'mistral_common', 'sentencepiece', 'tiktoken') "
        "if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
