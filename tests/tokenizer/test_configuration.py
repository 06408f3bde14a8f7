"""The files beside a tokenizer are read, and a damaged one is refused by name."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from octavo.errors import TokenizerError
from octavo.tokenizer import Tokenizer
from octavo.tokenizer.configuration import read_configuration


def test_an_empty_folder_says_nothing(tmp_path: Path) -> None:
    read = read_configuration(tmp_path)
    assert (read.special, read.added, read.template, read.eos_ids) == ({}, {}, None, ())


def test_the_special_tokens_come_as_text_or_as_objects(tmp_path: Path) -> None:
    (tmp_path / "special_tokens_map.json").write_text(json.dumps({"bos_token": "<a>", "eos_token": "<b>"}))
    config = {"eos_token": {"content": "<c>"}, "pad_token": None, "add_bos_token": True, "model_max_length": 5}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert read_configuration(tmp_path).special == {"bos_token": "<a>", "eos_token": "<c>"}


def test_added_tokens_come_from_both_files(tmp_path: Path) -> None:
    (tmp_path / "added_tokens.json").write_text(json.dumps({"<a>": 7}))
    config = {"added_tokens_decoder": {"8": {"content": "<b>"}}}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(config))
    assert read_configuration(tmp_path).added == {"<a>": 7, "<b>": 8}


def test_the_ids_that_end_a_text_come_from_both_files(own_folder: Path, tmp_path: Path) -> None:
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    assert Tokenizer.from_folder(tmp_path).eos_ids == (2,)
    for value, expected in ((7, (2, 7)), ([2, 9], (2, 9)), (None, (2,))):
        (tmp_path / "generation_config.json").write_text(json.dumps({"eos_token_id": value}))
        assert Tokenizer.from_folder(tmp_path).eos_ids == expected


WRONG: dict[str, tuple[str, Any, str]] = {
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
    "an added token without an id": ("added_tokens.json", '{"<a>": "x"}', "added token '<a>' with id 'x'"),
    "an added token with a huge id": ("added_tokens.json", '{"<a>": 999999999999}', "with id 999999999999"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_damaged_folder_is_refused_in_one_line_that_names_the_file(
    own_folder: Path, tmp_path: Path, case: str
) -> None:
    name, content, found = WRONG[case]
    shutil.copytree(own_folder, tmp_path, dirs_exist_ok=True)
    (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(TokenizerError) as caught:
        Tokenizer.from_folder(tmp_path)
    message = str(caught.value)
    assert message.startswith(str(tmp_path)) and found in message and "\n" not in message and len(message) < 500
