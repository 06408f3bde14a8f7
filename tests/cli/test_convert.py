"""``octavo convert``: a folder in another dialect, whole or not at all."""

import json
from pathlib import Path

import pytest
import torch

from octavo.checkpoint import load_model
from tests.cli.conftest import Run


def weights(folder: Path) -> dict[str, torch.Tensor]:
    return dict(load_model(folder).named_parameters())


@pytest.mark.parametrize("dialect", ["hf", "hf-stacked", "native"])
def test_a_folder_goes_there_and_back_to_the_bit(octavo: Run, folder: Path, tmp_path: Path, dialect: str) -> None:
    there, back = tmp_path / "there", tmp_path / "back"
    done = octavo("convert", folder, there, "--to", dialect)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{there}: {dialect}, ")
    assert octavo("convert", there, back, "--to", "hf").exit_code == 0
    before, after = weights(folder), weights(back)
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert (back / "tokenizer.json").read_bytes() == (folder / "tokenizer.json").read_bytes()


def test_json_says_what_was_written(octavo: Run, folder: Path, tmp_path: Path) -> None:
    done = octavo("convert", folder, tmp_path / "small", "--to", "hf", "--max-shard-size", "40kB", "--json")
    found = json.loads(done.stdout)
    assert found["dialect"] == "hf"
    assert len(found["files"]) > 1
    assert found["bytes"] == sum((tmp_path / "small" / file).stat().st_size for file in found["files"])


def test_another_dtype_halves_the_bytes(octavo: Run, folder: Path, tmp_path: Path) -> None:
    octavo("convert", folder, tmp_path / "half", "--to", "hf", "--dtype", "bfloat16")
    assert load_model(tmp_path / "half").norm.weight.dtype == torch.bfloat16


def test_a_full_folder_is_left_alone(octavo: Run, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("mine")
    done = octavo("convert", folder, tmp_path, "--to", "hf")
    assert done.exit_code == 2
    assert "--overwrite" in done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


@pytest.mark.parametrize("size", ["much", "-5GB", "0"])
def test_a_size_that_is_none_is_refused_before_anything_is_written(
    octavo: Run, folder: Path, tmp_path: Path, size: str
) -> None:
    done = octavo("convert", folder, tmp_path / "out", "--to", "hf", "--max-shard-size", size)
    assert done.exit_code == 2
    assert "--max-shard-size" in done.stderr
    assert not (tmp_path / "out").exists()


def test_a_source_that_is_not_there_exits_with_3(octavo: Run, tmp_path: Path) -> None:
    done = octavo("convert", tmp_path / "nothing", tmp_path / "out", "--to", "hf")
    assert done.exit_code == 3
    assert not (tmp_path / "out").exists()


def test_a_dialect_that_is_none_is_refused(octavo: Run, folder: Path, tmp_path: Path) -> None:
    assert octavo("convert", folder, tmp_path / "out", "--to", "gguf").exit_code == 2
