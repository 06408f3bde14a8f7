"""Arrays from files and answers of other programs, without torch and without pickle.

.npy  one array · .npz  several by name · .safetensors  several by name, bfloat16 too · base64 of an .npy file
"""

import base64
import binascii
import io
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize

from octavo.errors import TraceError

Array = np.ndarray
# The types of a safetensors file that numpy has; bfloat16 is the upper half of a float32.
_DTYPES = {
    "F64": np.float64,
    "F32": np.float32,
    "F16": np.float16,
    "BF16": np.uint16,
    "I64": np.int64,
    "I32": np.int32,
    "I16": np.int16,
    "I8": np.int8,
    "U64": np.uint64,
    "U32": np.uint32,
    "U16": np.uint16,
    "U8": np.uint8,
    "BOOL": np.bool_,
}


def read_arrays(path: Path) -> dict[str, Array]:
    """Every array of an .npy, .npz or .safetensors file by its name; that of an .npy is called by the empty string.

    Raises TraceError, naming the file, for what cannot be read, also for arrays of Python objects, which would have to
    be unpickled.
    """
    try:
        if path.suffix == ".safetensors":
            return _read_safetensors(path)
        with path.open("rb") as file:
            read = np.load(file, allow_pickle=False)
            return {"": read} if isinstance(read, np.ndarray) else {name: read[name] for name in read.files}
    except TraceError:
        raise
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, MemoryError) as error:
        raise TraceError(f"{path} cannot be read ({_line(error)}): want arrays in .npy, .npz or .safetensors") from None


def decode_npy(text: str, where: str) -> Array:
    """The array of an .npy file that stands in ``text`` as base64."""
    try:
        return np.asarray(np.load(io.BytesIO(decode_base64(text, where)), allow_pickle=False))
    except (ValueError, EOFError) as error:
        raise TraceError(f"{where} is not an array ({_line(error)}): want base64 of an .npy file") from None


def decode_base64(text: str, where: str) -> bytes:
    """The bytes that stand in ``text`` as base64."""
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise TraceError(f"{where} is not base64 ({_line(error)}): record it again") from None


def array_of(value: object, where: str) -> Array:
    """A numpy array of nested lists, of an array, or of a torch tensor on any device and in any type."""
    if type(value).__module__ == "torch":
        # A tensor in bfloat16 has no numpy type, so it comes over in float32; no id is a float.
        tensor = value.detach().cpu()  # type: ignore[attr-defined]
        value = (tensor.float() if tensor.is_floating_point() else tensor).numpy()
    try:
        found = np.asarray(value)
    except ValueError:
        raise TraceError(f"{where} has rows of different lengths: want an array") from None
    if found.dtype == object:
        raise TraceError(f"{where} holds what is no number: want an array of numbers")
    return found


def take(arrays: Mapping[str, Array], name: str, path: Path) -> Array:
    """The array called ``name``; raises TraceError that lists what the file has."""
    if name not in arrays:
        raise TraceError(f"{path} has no array {name!r}, only {', '.join(sorted(arrays)) or 'none'}: add it")
    return arrays[name]


def _read_safetensors(path: Path) -> dict[str, Array]:
    try:
        tensors = deserialize(path.read_bytes())
    except SafetensorError as error:
        raise TraceError(f"{path} cannot be read ({_line(error)}): fetch or write the file anew") from None
    return {name: _tensor(path, name, tensor) for name, tensor in tensors}


def _tensor(path: Path, name: str, tensor: Mapping[str, Any]) -> Array:
    kind = tensor["dtype"]
    if kind not in _DTYPES:
        raise TraceError(f"{path}: {name!r} has the type {kind}: want one of {', '.join(_DTYPES)}")
    read: Array = np.frombuffer(tensor["data"], dtype=_DTYPES[kind]).reshape(tensor["shape"])
    return (read.astype(np.uint32) << 16).view(np.float32) if kind == "BF16" else read


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
