"""Tensors of safetensors files, one file mapped at a time: nothing is copied before somebody copies it."""

import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Protocol, Self

import torch
from safetensors import safe_open
from torch import Tensor

from octavo.checkpoint.json_file import parse_object, plain
from octavo.errors import CheckpointError

CODES = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}
MAX_HEADER_BYTES = 100_000_000
METADATA = "__metadata__"
# Pages of a mapped file count as this process's memory until the map is dropped, so a large file is mapped anew now and
# then.
REMAP_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class Header:
    """Where a tensor lies and what it is: its file, its dtype by safetensors' code (BF16), its shape.

    ``start`` is the byte of the file where it begins; None in a container that does not say.
    """

    file: Path
    dtype: str
    shape: tuple[int, ...]
    start: int | None = None


class Weights(Protocol):
    """The tensors of a folder's weight files, whatever their container."""

    headers: Mapping[str, Header]

    def read(self, name: str) -> Tensor:
        """The tensor, as a view of its file; it stays valid as long as it is held."""

    def close(self) -> None:
        """Lets go of every file."""


class SafetensorsFiles:
    """The tensors whose ``headers`` are given, read from their files."""

    def __init__(self, headers: Mapping[str, Header]) -> None:
        self.headers = headers
        self._file: Path | None = None
        self._open: safe_open | None = None
        self._read_bytes = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(self, name: str) -> Tensor:
        """The tensor ``name``, on the CPU, as a view of its mapped file.

        Raises CheckpointError when the file can no longer be read as its header was.
        """
        header = self.headers[name]
        if self._file != header.file or self._read_bytes > REMAP_BYTES:
            self.close()
            with naming(header.file):
                self._open = safe_open(header.file, framework="pt")
            self._file = header.file
        assert self._open is not None
        with naming(header.file, name):
            tensor: Tensor = self._open.get_tensor(name)
        if tuple(tensor.shape) != header.shape or tensor.dtype != CODES[header.dtype]:
            raise CheckpointError(
                f"{header.file}: tensor {name!r} changed while it was read: load again when it is whole"
            )
        self._read_bytes += tensor.nbytes
        return tensor

    def close(self) -> None:
        """Drops the map of the file that is open; tensors already read keep theirs."""
        self._file, self._open, self._read_bytes = None, None, 0


def read_headers(file: Path) -> dict[str, Header]:
    """The headers of one safetensors file, by tensor name.

    Raises CheckpointError, naming the file, when it is not a whole and well-formed safetensors file.
    """
    require_regular(file)
    found = stored_headers(file)
    with naming(file):
        # The library checks that tensors lie side by side, fill the file, and have the length of their shape.
        opened = safe_open(file, framework="pt")
        slices = {name: opened.get_slice(name) for name in opened.keys()}  # noqa: SIM118 (not a dict)
        return {
            name: Header(file, each.get_dtype(), tuple(each.get_shape()), found[name].start)
            for name, each in slices.items()
        }


def stored_headers(file: Path) -> dict[str, Header]:
    """What the header of a safetensors file says, as far as it can be understood; the library judges the rest.

    Raises CheckpointError when it names a tensor twice, which the library reads as the last of them.
    """
    with naming(file), file.open("rb") as stream:
        length = int.from_bytes(stream.read(8), "little")
        # A length past the end or past the library's limit is the library's to refuse.
        header = stream.read(length) if length <= min(MAX_HEADER_BYTES, os.fstat(stream.fileno()).st_size - 8) else None
    if header is None:
        return {}
    found = {}
    for name, entry in parse_object(header, f"{file} (header)").items():
        match entry:
            case {"dtype": str(dtype), "shape": [*shape], "data_offsets": [int(start), int()]} if name != METADATA:
                found[name] = Header(file, dtype, tuple(shape), 8 + length + start)
    return found


def require_regular(file: Path) -> None:
    """Raises CheckpointError unless ``file`` is there, is a file, and is not empty."""
    try:
        found = file.stat()
    except (OSError, ValueError) as reason:
        raise CheckpointError(f"{file}: cannot be read ({plain(reason)}): fetch the folder again") from reason
    if not stat.S_ISREG(found.st_mode):
        raise CheckpointError(f"{file}: not a regular file: fetch the folder again")
    if found.st_size == 0:
        raise CheckpointError(f"{file}: empty (0 bytes): fetch the file again")


@contextmanager
def naming(file: Path, tensor: str | None = None) -> Iterator[None]:
    """Turns whatever a library raises into one CheckpointError that names the file, and the tensor if given."""
    try:
        yield
    except Exception as reason:
        which = f"{file}: tensor {tensor!r}" if tensor else f"{file}:"
        raise CheckpointError(f"{which} cannot be read ({plain(reason)}): fetch the file again") from reason
