"""A model folder's tokenizer, whatever its files, encodes without loss and never lets a text become a control token."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer import Tokenizer
from tests.tokenizer.conftest import SENTENCEPIECE, TEKKEN, mixtral_json
from tests.tokenizer.texts import hostile_texts

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


def test_the_text_of_a_token_stands_by_itself(own: Tokenizer) -> None:
    assert own.token_text(1) == "<s>"
    assert own.token_text(5 + 0x41) == "A"
    assert own.token_text(5 + 0xF0) == "<0xF0>"
    assert "".join(own.texts_by_token(own.encode("the quick 😀"))) == "<s>the quick 😀"
    with pytest.raises(TokenizerError, match=r"token id 400 was found.*ids 0 to 399"):
        own.token_text(400)


def test_a_prompt_that_is_no_text_is_refused(own: Tokenizer) -> None:
    with pytest.raises(RequestError, match="a text of type bytes was found, str was wanted"):
        own.encode(b"x")  # type: ignore[arg-type]


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


def test_the_import_brings_neither_torch_nor_the_oracles() -> None:
    code = (
        "import sys, octavo.tokenizer; "
        "print([name for name in ('torch', 'transformers', 'mistral_common', 'sentencepiece', 'tiktoken') "
        "if name in sys.modules])"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"
