"""Pickled weights: names and plain tensors are read, and no code is run, whatever the file holds."""

import os
from pathlib import Path

import pytest
import torch

from octavo.checkpoint import Dialect, convert, load_model, open_folder, save_model
from octavo.checkpoint.pickled import PickledFiles, pickled_headers
from octavo.errors import CheckpointError


class Evil:
    """Unpickling it would make a file."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.mark),)


def test_tensors_are_read_as_they_were_saved(tmp_path: Path) -> None:
    tensors = {"a": torch.randn(3, 4).bfloat16(), "b": torch.randn(4, 3).T, "c": torch.ones(2).half()}
    torch.save(tensors, tmp_path / "consolidated.00.pth")
    headers = pickled_headers(tmp_path / "consolidated.00.pth")
    assert {name: (each.dtype, each.shape) for name, each in headers.items()} == {
        "a": ("BF16", (3, 4)),
        "b": ("F32", (3, 4)),
        "c": ("F16", (2,)),
    }
    weights = PickledFiles(headers)
    assert all(torch.equal(weights.read(name), tensors[name]) for name in tensors)
    weights.close()


def test_code_in_a_file_is_not_run(folder: Path, tmp_path: Path) -> None:
    native = tmp_path / "native"
    convert(folder, native, dialect=Dialect.NATIVE)
    (native / "consolidated.safetensors").unlink()
    for content in ({"a": Evil(tmp_path / "ran")}, Evil(tmp_path / "ran"), [Evil(tmp_path / "ran")]):
        torch.save(content, native / "consolidated.00.pth")
        with pytest.raises(CheckpointError, match=r"consolidated\.00\.pth: cannot be read"):
            convert(native, tmp_path / "out", dialect=Dialect.HF, allow_pickle=True)
    assert not (tmp_path / "ran").exists() and not (tmp_path / "out").exists()


@pytest.mark.parametrize("content", [[torch.ones(1)], {"a": 1}, {1: torch.ones(1)}, torch.ones(1), {"a": {}}])
def test_anything_but_names_and_tensors_is_refused(tmp_path: Path, content: object) -> None:
    torch.save(content, tmp_path / "x.pth")
    with pytest.raises(CheckpointError, match=r"x\.pth: (holds a|'.*' is no plain tensor)"):
        pickled_headers(tmp_path / "x.pth")


def test_noise_an_empty_file_and_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / "noise.pth").write_bytes(os.urandom(999))
    (tmp_path / "empty.pth").touch()
    for name in ("noise.pth", "empty.pth", "missing.pth"):
        with pytest.raises(CheckpointError, match=name):
            pickled_headers(tmp_path / name)


def test_loading_never_reads_a_pickle(folder: Path, tmp_path: Path) -> None:
    save_model(load_model(folder), tmp_path / "native", dialect=Dialect.NATIVE, manifest=False)
    (tmp_path / "native" / "consolidated.safetensors").unlink()
    torch.save({}, tmp_path / "native" / "consolidated.00.pth")
    for use in (open_folder, load_model, lambda path: convert(path, tmp_path / "out", dialect=Dialect.HF)):
        with pytest.raises(CheckpointError, match="is a pickle, which is not loaded"):
            use(tmp_path / "native")
    with pytest.raises(CheckpointError, match="lack tensor"):
        convert(tmp_path / "native", tmp_path / "out", dialect=Dialect.HF, allow_pickle=True)


def test_the_later_release_in_pth_is_converted_too(folder: Path, tmp_path: Path, same_bits) -> None:
    from safetensors.torch import load_file

    convert(folder, tmp_path / "native", dialect=Dialect.NATIVE)
    weights = tmp_path / "native" / "consolidated.safetensors"
    torch.save(load_file(weights), tmp_path / "native" / "consolidated.00.pth")
    weights.unlink()
    convert(tmp_path / "native", tmp_path / "out", dialect=Dialect.HF, allow_pickle=True)
    assert same_bits(load_model(tmp_path / "out"), load_model(folder))
