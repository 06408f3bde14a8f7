"""Streaming: whatever the size of a piece, the same model, and never more of a file in memory than the buffers."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from octavo.checkpoint import Dialect, load_model, open_folder, save_model, stream
from octavo.checkpoint.read import read_headers
from octavo.checkpoint.stream import Delivery, Reader, deliver
from octavo.config import ModelConfig
from octavo.errors import CheckpointError
from octavo.model import Transformer
from tests.checkpoint.conftest import first_release

CPU = torch.device("cpu")
MakeModel = Callable[..., Transformer]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    tensors = {"a": torch.arange(60.0).view(5, 3, 4), "b": torch.ones(7, dtype=torch.float32)}
    save_file(tensors, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def collected(file: Path, name: str, *, unit: int = 1) -> list[tuple[int, Tensor]]:
    pieces: list[tuple[int, Tensor]] = []

    def put(first: int, rows_nI: Tensor) -> None:
        pieces.append((first, rows_nI.clone()))

    assert list(deliver(read_headers(file), [Delivery(name=name, unit=unit, put=put)], device=CPU)) == [name]
    return pieces


@pytest.mark.parametrize("size", [1, 16, 47, 48, 100, 10_000])
@pytest.mark.parametrize("unit", [1, 3])
def test_a_tensor_comes_in_whole_units_in_order(
    file: Path, monkeypatch: pytest.MonkeyPatch, size: int, unit: int
) -> None:
    monkeypatch.setattr(stream, "BUFFER_BYTES", size)
    pieces = collected(file, "a", unit=unit)
    assert torch.equal(torch.cat([rows for _, rows in pieces]), torch.arange(60.0).view(15, 4))
    assert [first for first, _ in pieces] == list(range(0, 15, len(pieces[0][1])))
    assert len(pieces[0][1]) % unit == 0
    assert len(pieces[0][1]) == max(unit, min(15, size // 16 // unit * unit))


@pytest.mark.parametrize("size", [100, 700, 5_000])
@pytest.mark.parametrize("dialect", [Dialect.HF, Dialect.HF_STACKED, Dialect.NATIVE])
def test_every_dialect_gives_the_same_model_in_pieces(
    tmp_path: Path,
    config: ModelConfig,
    random_model: MakeModel,
    same_bits: Callable[..., bool],
    monkeypatch: pytest.MonkeyPatch,
    dialect: Dialect,
    size: int,
) -> None:
    model = random_model(config)
    save_model(model, tmp_path / "out", dialect=dialect, max_shard_bytes=9_000)
    monkeypatch.setattr(stream, "BUFFER_BYTES", size)
    assert same_bits(load_model(tmp_path / "out"), model)
    rounded = load_model(tmp_path / "out", dtype=torch.bfloat16)
    assert same_bits(rounded, model.bfloat16())


def test_a_transposed_matrix_comes_right_in_pieces(
    tmp_path: Path, sparse: ModelConfig, random_model: MakeModel, same_bits: Callable[..., bool], monkeypatch
) -> None:
    model = random_model(sparse)
    save_model(model, tmp_path / "native", dialect=Dialect.NATIVE)
    folder = first_release(tmp_path / "native", tmp_path / "first", sparse)
    tensors = {name: each.clone() for path in sorted(folder.glob("*.pt")) for name, each in torch.load(path).items()}
    save_file(tensors, folder / "consolidated.safetensors")
    opened = open_folder(folder)
    assert opened.dialect is Dialect.NATIVE_STACKED
    monkeypatch.setattr(stream, "BUFFER_BYTES", 300)
    assert same_bits(load_model(opened), model)


def test_a_checksum_is_that_of_the_bytes_in_the_file(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "BUFFER_BYTES", 32)
    told: list[str] = []
    delivery = Delivery(name="a", unit=1, put=lambda first, rows: None, check=told.append)
    list(deliver(read_headers(file), [delivery], device=CPU))
    assert told == [hashlib.sha256(torch.arange(60.0).numpy().tobytes()).hexdigest()]


def test_buffers_are_as_large_as_a_piece_whatever_the_tensor(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[int] = []

    class Counted(Reader):
        def __init__(self, size: int, device: torch.device) -> None:
            made.append(size)
            super().__init__(size, device)

    monkeypatch.setattr(stream, "Reader", Counted)
    monkeypatch.setattr(stream, "BUFFER_BYTES", 64)
    headers = read_headers(file)
    put = Delivery(name="a", unit=1, put=lambda first, rows: None)
    list(deliver(headers, [put] * 20, device=CPU, readers=3))
    assert made == [64, 64, 64]


def test_a_file_cut_short_after_its_header_was_read_is_named(file: Path) -> None:
    headers = read_headers(file)
    with file.open("r+b") as opened:
        opened.truncate(file.stat().st_size - 100)
    with pytest.raises(CheckpointError, match=r"model\.safetensors: tensor 'a' .*shorter"):
        list(deliver(headers, [Delivery(name="a", unit=1, put=lambda first, rows: None)], device=CPU))


def test_a_file_that_was_written_anew_is_named(file: Path) -> None:
    headers = read_headers(file)
    save_file({"a": torch.ones(5, 12), "b": torch.ones(7)}, file)
    with pytest.raises(CheckpointError, match=r"tensor 'a' changed while it was read"):
        list(deliver(headers, [Delivery(name="a", unit=1, put=lambda first, rows: None)], device=CPU))


def test_what_goes_wrong_with_one_tensor_ends_it_all(file: Path) -> None:
    def refuse(digest: str) -> None:
        raise CheckpointError("wrong")

    bad = Delivery(name="b", unit=1, put=lambda first, rows: None, check=refuse)
    fine = Delivery(name="a", unit=1, put=lambda first, rows: None)
    with pytest.raises(CheckpointError, match="wrong"):
        list(deliver(read_headers(file), [fine, bad, *[fine] * 50], device=CPU))
