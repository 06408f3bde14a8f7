"""Arrays come from files and answers without torch and without unpickling anything."""

import base64
import io
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from octavo.analysis.importers.arrays import array_of, decode_base64, decode_npy, read_arrays, take
from octavo.errors import TraceError


def test_arrays_come_back_from_every_kind_of_file(tmp_path: Path) -> None:
    wanted = np.arange(6, dtype=np.int16).reshape(2, 3)
    np.save(tmp_path / "a.npy", wanted)
    np.savez(tmp_path / "a.npz", routes=wanted)
    save_file({"routes": torch.from_numpy(wanted)}, tmp_path / "a.safetensors")
    assert np.array_equal(read_arrays(tmp_path / "a.npy")[""], wanted)
    assert np.array_equal(read_arrays(tmp_path / "a.npz")["routes"], wanted)
    assert np.array_equal(read_arrays(tmp_path / "a.safetensors")["routes"], wanted)


def test_bfloat16_comes_as_the_float32_of_the_same_value(tmp_path: Path) -> None:
    tensor = torch.tensor([1.5, -0.007, 3e38, 0.0]).bfloat16()
    save_file({"x": tensor}, tmp_path / "a.safetensors")
    assert np.array_equal(read_arrays(tmp_path / "a.safetensors")["x"], tensor.float().numpy())
    assert np.array_equal(array_of(tensor, "x"), tensor.float().numpy())


def test_a_tensor_that_needs_a_gradient_is_read_too() -> None:
    assert np.array_equal(array_of(torch.ones(2, requires_grad=True), "x"), np.ones(2))
    assert array_of(torch.tensor([3]), "x").dtype == np.int64


def test_an_array_in_base64_comes_back() -> None:
    file = io.BytesIO()
    np.save(file, np.arange(4, dtype=np.uint8))
    text = base64.b64encode(file.getvalue()).decode()
    assert np.array_equal(decode_npy(text, "x"), np.arange(4))


def test_pickled_objects_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([{"a": 1}], dtype=object), allow_pickle=True)
    with pytest.raises(TraceError, match=r"a\.npy cannot be read"):
        read_arrays(tmp_path / "a.npy")


@pytest.mark.parametrize("name", ["a.npy", "a.npz", "a.safetensors"])
def test_a_file_that_is_cut_short_is_named(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    if name.endswith("npz"):
        np.savez(path, x=np.arange(1000))
    elif name.endswith("npy"):
        np.save(path, np.arange(1000))
    else:
        save_file({"x": torch.arange(1000)}, path)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(TraceError, match=name):
        read_arrays(path)
    path.write_bytes(b"")
    with pytest.raises(TraceError, match=name):
        read_arrays(path)
    with pytest.raises(TraceError, match="cannot be read"):
        read_arrays(tmp_path / f"no-{name}")


def test_what_is_no_array_is_named() -> None:
    with pytest.raises(TraceError, match="rows of different lengths"):
        array_of([[1, 2], [3]], "x")
    with pytest.raises(TraceError, match="holds what is no number"):
        array_of([None], "x")
    with pytest.raises(TraceError, match="x is not base64"):
        decode_base64("no!", "x")
    with pytest.raises(TraceError, match="x is not an array"):
        decode_npy(base64.b64encode(b"text").decode(), "x")
    with pytest.raises(TraceError, match="has no array 'a', only b"):
        take({"b": np.zeros(1)}, "a", Path("f.npz"))
