"""Tensors of .pth and .pt files, for conversion alone: pickles, read with torch's weights-only reader."""

from collections.abc import Mapping
from pathlib import Path

import torch
from torch import Tensor

from octavo.checkpoint.read import REMAP_BYTES, Header, naming, require_regular
from octavo.errors import CheckpointError

_CODE_OF = {torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16"}


class PickledFiles:
    """The tensors whose ``headers`` are given, read from mapped .pth files; see SafetensorsFiles."""

    def __init__(self, headers: Mapping[str, Header]) -> None:
        self.headers = headers
        self._file: Path | None = None
        self._tensors: Mapping[str, Tensor] = {}
        self._read_bytes = 0

    def read(self, name: str) -> Tensor:
        """The tensor ``name``, on the CPU, as a view of its mapped file."""
        header = self.headers[name]
        if self._file != header.file or self._read_bytes > REMAP_BYTES:
            self.close()
            self._tensors = _load(header.file)
            self._file = header.file
        tensor = self._tensors[name]
        self._read_bytes += tensor.nbytes
        return tensor

    def close(self) -> None:
        """Drops the map of the file that is open; tensors already read keep theirs."""
        self._file, self._tensors, self._read_bytes = None, {}, 0


def pickled_headers(file: Path) -> dict[str, Header]:
    """The headers of one .pth file, by tensor name.

    Raises CheckpointError, naming the file, when it is anything but a mapping of names to tensors.
    """
    return {
        name: Header(file, _CODE_OF.get(tensor.dtype, str(tensor.dtype)), tuple(tensor.shape))
        for name, tensor in _load(file).items()
    }


def _load(file: Path) -> Mapping[str, Tensor]:
    require_regular(file)
    with naming(file):
        found = torch.load(file, map_location="cpu", mmap=True, weights_only=True)
    if not isinstance(found, dict):
        raise CheckpointError(f"{file}: holds a {type(found).__name__}, want a mapping of names to tensors")
    for name, tensor in found.items():
        if not isinstance(name, str) or not isinstance(tensor, Tensor) or tensor.layout is not torch.strided:
            raise CheckpointError(f"{file}: {str(name)[:80]!r} is no plain tensor: only names and tensors are read")
    return found
