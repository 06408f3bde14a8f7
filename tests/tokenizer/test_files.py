"""The tokenizer files of a folder are found by name, and its JSON is read or refused."""

import shutil
from pathlib import Path

import pytest

from octavo.errors import TokenizerError
from octavo.tokenizer import Tokenizer, has_tokenizer_files
from octavo.tokenizer.files import mistral_file, read_json_object
from tests.tokenizer.conftest import SENTENCEPIECE


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


def test_the_highest_version_goes_first_and_tekken_before_all(tmp_path: Path) -> None:
    for name in ("tokenizer.model", "tokenizer.model.v3", "tokenizer.model.v11", "tokenizer.model.v7m1"):
        (tmp_path / name).touch()
    assert mistral_file(tmp_path) == tmp_path / "tokenizer.model.v11"
    (tmp_path / "tekken.json").touch()
    assert mistral_file(tmp_path) == tmp_path / "tekken.json"


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(TokenizerError, match=r"x.json: No such file or directory was found, a list was wanted"):
        read_json_object(tmp_path / "x.json", "a list")
