"""``octavo verify``: every damaged tensor has a line."""

import json
import shutil
from pathlib import Path

import pytest

from tests.cli.conftest import Run


@pytest.fixture
def damaged(folder: Path, tmp_path: Path) -> Path:
    """A copy of the folder with one flipped bit in each of two tensors, and one in the tokenizer."""
    copy = tmp_path / "damaged"
    shutil.copytree(folder, copy)
    weights = copy / "model.safetensors"
    content = bytearray(weights.read_bytes())
    length = int.from_bytes(content[:8], "little")
    header = json.loads(bytes(content[8 : 8 + length]))
    for name in ("lm_head.weight", "model.norm.weight"):
        content[8 + length + header[name]["data_offsets"][0]] ^= 1
    weights.write_bytes(content)
    with (copy / "tokenizer.json").open("a") as file:
        file.write(" ")
    return copy


def test_a_whole_folder_is_said_to_be_whole(octavo: Run, folder: Path) -> None:
    done = octavo("verify", folder)
    assert done.exit_code == 0, done.stderr
    assert f"{folder}: whole; " in done.stdout
    assert "its manifest" in done.stdout


def test_each_damaged_tensor_has_its_line(octavo: Run, damaged: Path) -> None:
    done = octavo("verify", damaged)
    assert done.exit_code == 3
    *failures, verdict = done.stdout.splitlines()
    assert len(failures) == 3
    assert sum("'lm_head.weight'" in line for line in failures) == 1
    assert sum("'model.norm.weight'" in line for line in failures) == 1
    assert sum("tokenizer.json" in line for line in failures) == 1
    assert "3 damaged" in verdict


def test_json_has_the_failures_and_the_same_exit_code(octavo: Run, damaged: Path) -> None:
    done = octavo("verify", damaged, "--json")
    assert done.exit_code == 3
    found = json.loads(done.stdout)
    assert found["ok"] is False
    assert len(found["failures"]) == 3


def test_without_checksums_it_says_what_was_not_checked(octavo: Run, folder: Path, tmp_path: Path) -> None:
    copy = tmp_path / "bare"
    shutil.copytree(folder, copy)
    (copy / "octavo-manifest.json").unlink()
    done = octavo("verify", copy)
    assert done.exit_code == 0
    assert "no checksums are there" in done.stdout


def test_a_folder_that_is_not_there_exits_with_3(octavo: Run, tmp_path: Path) -> None:
    done = octavo("verify", tmp_path / "nothing")
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1
