"""Writing: files that the library reads, folders that appear whole or not at all."""

import os
import resource
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from octavo.checkpoint import open_folder, save_model
from octavo.checkpoint.names import Order, Part, Stored
from octavo.checkpoint.write import new_folder, shard_bytes, split, write_shard
from octavo.config import ModelConfig
from octavo.errors import CheckpointError, OctavoError
from octavo.model import Transformer

MakeModel = Callable[..., Transformer]


def stored(name: str, *shape: int) -> Stored:
    return Stored(name, shape, (Part(name, 0, 1, Order.ROWS),))


@pytest.mark.parametrize(
    ("text", "size"),
    [("5GB", 5 * 10**9), ("500MB", 5 * 10**8), ("2GiB", 2 << 30), ("1.5 kb", 1500), ("7", 7), ("1TB", 10**12)],
)
def test_sizes_are_spelled_as_elsewhere(text: str, size: int) -> None:
    assert shard_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GB", "-1GB", "5XB", "0", "five", "1e9", "0.1", "5GBB"])
def test_other_sizes_are_refused(text: str) -> None:
    with pytest.raises(CheckpointError, match="is not understood: want a number and a unit"):
        shard_bytes(text)


def test_tensors_are_dealt_to_shards_in_order() -> None:
    table = [stored(name, 2, 5) for name in "abcde"] + [stored("f", 100), stored("g", 1)]
    names = [[each.name for each in shard] for shard in split(table, 2, 45)]
    assert names == [["a", "b"], ["c", "d"], ["e"], ["f"], ["g"]]
    assert [len(shard) for shard in split(table, 2, None)] == [7]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_a_shard_is_what_the_library_reads(tmp_path: Path, dtype: torch.dtype) -> None:
    tensors = {"a": torch.randn(3, 5).to(dtype), "é.b": torch.randn(7).to(dtype), "c": torch.randn(2, 2, 2).to(dtype)}
    table = [stored(name, *tensor.shape) for name, tensor in tensors.items()]
    records = write_shard(tmp_path / "x.safetensors", table, dtype, lambda each: tensors[each.name])
    found = load_file(tmp_path / "x.safetensors")
    assert found.keys() == tensors.keys() == records.keys()
    assert all(torch.equal(found[name], tensors[name]) for name in tensors)
    assert int.from_bytes((tmp_path / "x.safetensors").read_bytes()[:8], "little") % 8 == 0


def test_a_folder_that_holds_files_is_left_alone_unless_asked(
    tmp_path: Path, folder: Path, random_model, sparse
) -> None:
    before = (folder / "model.safetensors").read_bytes()
    model = random_model(sparse, seed=9)
    with pytest.raises(CheckpointError, match="holds files already"):
        save_model(model, folder)
    assert (folder / "model.safetensors").read_bytes() == before
    save_model(model, folder, overwrite=True)
    assert (folder / "model.safetensors").read_bytes() != before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]


def test_an_empty_folder_and_missing_parents_are_no_hindrance(tmp_path: Path, random_model, sparse) -> None:
    (tmp_path / "empty").mkdir()
    save_model(random_model(sparse), tmp_path / "empty")
    save_model(random_model(sparse), tmp_path / "a" / "b")
    assert open_folder(tmp_path / "empty").config == open_folder(tmp_path / "a" / "b").config == sparse
    assert (tmp_path / "empty").stat().st_mode & 0o777 == 0o777 & ~_umask()


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_a_file_in_the_way_is_said_to_be_one(tmp_path: Path, random_model, sparse) -> None:
    (tmp_path / "file").write_text("mine")
    with pytest.raises(CheckpointError, match="is a file, want a folder"):
        save_model(random_model(sparse), tmp_path / "file", overwrite=True)
    with pytest.raises(CheckpointError, match="cannot be written"):
        save_model(random_model(sparse), tmp_path / "file" / "under")
    assert (tmp_path / "file").read_text() == "mine"


def test_whatever_stops_the_writing_nothing_is_left(tmp_path: Path) -> None:
    for trouble in (KeyboardInterrupt, CheckpointError, OSError):
        with pytest.raises((KeyboardInterrupt, OctavoError)), new_folder(tmp_path / "out") as fresh:
            (fresh / "half").write_text("x")
            raise trouble("stop")
        assert list(tmp_path.iterdir()) == []


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """No file may grow past ``size`` bytes: writing more fails as on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@pytest.mark.parametrize("size", [0, 100, 1_000, 5_000, 20_000, 100_000])
def test_a_full_disk_leaves_what_was_there_before(
    tmp_path: Path, folder: Path, random_model: MakeModel, sparse: ModelConfig, size: int
) -> None:
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    for destination in (folder, tmp_path / "new"):
        with disk_of(size), pytest.raises(CheckpointError, match=r"cannot be written .*make room or write elsewhere"):
            save_model(random_model(sparse, seed=9), destination, overwrite=True)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
