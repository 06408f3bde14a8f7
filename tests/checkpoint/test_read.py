"""Reading safetensors: views, one file at a time, and one error for whatever a file can be."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from octavo.checkpoint import read as reading
from octavo.checkpoint.read import SafetensorsFiles, naming, read_headers, require_regular
from octavo.errors import CheckpointError

TENSORS = {"a": torch.arange(6.0).reshape(2, 3), "b": torch.ones(4, dtype=torch.bfloat16)}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    save_file(TENSORS, tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


def test_headers_say_dtype_shape_and_file(file: Path) -> None:
    headers = read_headers(file)
    assert {name: (each.dtype, each.shape, each.file) for name, each in headers.items()} == {
        "a": ("F32", (2, 3), file),
        "b": ("BF16", (4,), file),
    }


def test_tensors_are_views_of_one_map(file: Path) -> None:
    with SafetensorsFiles(read_headers(file)) as weights:
        assert torch.equal(weights.read("a"), TENSORS["a"])
        assert weights.read("b").data_ptr() == weights.read("b").data_ptr()


def test_a_tensor_outlives_its_file(file: Path) -> None:
    with SafetensorsFiles(read_headers(file)) as weights:
        kept = weights.read("a")
    file.unlink()
    assert torch.equal(kept, TENSORS["a"])


def test_a_large_file_is_mapped_anew(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "REMAP_BYTES", 20)
    with SafetensorsFiles(read_headers(file)) as weights:
        first = weights.read("a")
        assert weights.read("a").data_ptr() != first.data_ptr()


@pytest.mark.parametrize("change", ["gone", "other shape", "other dtype", "without"])
def test_a_file_that_changes_after_its_header_was_read_is_named(file: Path, change: str) -> None:
    weights = SafetensorsFiles(read_headers(file))
    file.unlink()
    if change != "gone":
        a = {"other shape": torch.ones(3, 2), "other dtype": torch.ones(2, 3).half(), "without": torch.ones(1)}[change]
        save_file({"c" if change == "without" else "a": a}, file)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        weights.read("a")


def test_a_directory_a_device_and_nothing_at_all_are_no_weight_files(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for path, complaint in (
        (tmp_path, "not a regular file"),
        (Path("/dev/zero"), "not a regular file"),
        (tmp_path / "empty", "empty"),
        (tmp_path / "missing", "cannot be read"),
    ):
        with pytest.raises(CheckpointError, match=complaint):
            require_regular(path)


def test_any_error_of_a_library_becomes_one_that_names_file_and_tensor() -> None:
    complaint = r"^f: tensor 'a' cannot be read \(two lines\): fetch the file again$"
    with pytest.raises(CheckpointError, match=complaint), naming(Path("f"), "a"):
        raise RuntimeError("two\nlines")
