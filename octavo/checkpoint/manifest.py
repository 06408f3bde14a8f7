"""octavo-manifest.json: file, dtype, shape and SHA-256 of each tensor of a folder, so that a flipped bit has a name."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor

from octavo.checkpoint.json_file import MAX_INDEX_BYTES, dump, read_object
from octavo.checkpoint.read import Header
from octavo.config import ModelConfig
from octavo.errors import CheckpointError

MANIFEST_NAME = "octavo-manifest.json"
_FORMAT = 1
_ANEW = f"fetch the folder again, or delete {MANIFEST_NAME} if the change is meant"


@dataclass(frozen=True, slots=True)
class TensorRecord:
    """What a manifest says of one tensor; ``sha256`` is of its bytes, row by row as stored."""

    file: str
    dtype: str
    shape: tuple[int, ...]
    sha256: str


@dataclass(frozen=True, slots=True)
class FileRecord:
    """What a manifest says of one file; ``sha256`` is None for weight files, whose tensors have their own."""

    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """What a folder held when it was written: the shape of the model, its tensors, and its files."""

    path: Path
    config: Mapping[str, object]
    tensors: Mapping[str, TensorRecord]
    files: Mapping[str, FileRecord]

    def check_structure(self, config: ModelConfig, headers: Mapping[str, Header]) -> None:
        """Raises CheckpointError unless settings, names, dtypes, shapes and file sizes are as written."""
        for field, value in asdict(config).items():
            # The length the model was made for is a wish that people edit; every other field changes the arithmetic.
            if field != "context_length" and self.config.get(field) != value:
                raise CheckpointError(
                    f"{self.path}: written for {field} {self.config[field]!r}, found {value!r}: {_ANEW}"
                )
        for name, header in headers.items():
            record = self.tensors.get(name)
            if record is None:
                raise CheckpointError(f"{header.file}: tensor {name!r} is not in {MANIFEST_NAME}: {_ANEW}")
            for what, found, want in (
                ("file", header.file.name, record.file),
                ("dtype", header.dtype, record.dtype),
                ("shape", list(header.shape), list(record.shape)),
            ):
                if found != want:
                    raise CheckpointError(
                        f"{header.file}: tensor {name!r} has {what} {found}, {MANIFEST_NAME} says {want}: {_ANEW}"
                    )
        for name in sorted(set(self.tensors) - set(headers)):
            raise CheckpointError(f"{self.path}: tensor {name!r} is in no weight file: {_ANEW}")
        for file in sorted({header.file for header in headers.values()}):
            self._check_size(file)

    def check_digest(self, header: Header, name: str, found: str) -> None:
        """Raises CheckpointError unless ``found`` is the tensor's SHA-256."""
        want = self.tensors[name].sha256
        if found != want:
            raise CheckpointError(
                f"{header.file}: tensor {name!r} has SHA-256 {found[:12]}..., "
                f"{MANIFEST_NAME} says {want[:12]}...: {_ANEW}"
            )

    def _check_size(self, file: Path) -> None:
        record = self.files.get(file.name)
        size = file.stat().st_size
        if record is not None and record.size != size:
            raise CheckpointError(f"{file}: {size:,} bytes, {MANIFEST_NAME} says {record.size:,}: {_ANEW}")


def tensor_sha256(tensor: Tensor) -> str:
    """The SHA-256 of a CPU tensor's bytes, row by row; it leaves the interpreter free while it computes."""
    return hashlib.sha256(tensor_bytes(tensor)).hexdigest()


def tensor_bytes(tensor: Tensor) -> memoryview:
    """A CPU tensor's bytes, row by row, without a copy where it is contiguous."""
    content: memoryview = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data
    return content


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file, read in pieces."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def manifest_bytes(config: ModelConfig, tensors: Mapping[str, TensorRecord], files: Mapping[str, FileRecord]) -> bytes:
    """The text of a manifest, whose last entry is the SHA-256 of the others."""
    body = {
        "format": _FORMAT,
        "config": asdict(config),
        "files": {name: asdict(record) for name, record in files.items()},
        "tensors": {name: asdict(record) for name, record in tensors.items()},
    }
    return dump({**body, "sha256": _seal(body)})


def read_manifest(folder: Path) -> Manifest | None:
    """The manifest of a folder, None where it has none.

    Raises CheckpointError when it is damaged or of a later format.
    """
    path = folder / MANIFEST_NAME
    if not path.exists():
        return None
    body: dict[str, Any] = dict(read_object(path, max_bytes=MAX_INDEX_BYTES))
    seal = body.pop("sha256", None)
    if body.get("format") != _FORMAT:
        raise CheckpointError(
            f"{path}: format {body.get('format')!r}, want {_FORMAT}: use a later Octavo, or delete the file"
        )
    if seal != _seal(body):
        raise CheckpointError(f"{path}: does not have the SHA-256 that it says: {_ANEW}")
    try:
        tensors = {
            name: TensorRecord(each["file"], each["dtype"], tuple(each["shape"]), each["sha256"])
            for name, each in body["tensors"].items()
        }
        files = {name: FileRecord(each["size"], each["sha256"]) for name, each in body["files"].items()}
    except (KeyError, TypeError, AttributeError) as reason:
        raise CheckpointError(f"{path}: is no manifest of this format: {_ANEW}") from reason
    return Manifest(path=path, config=body["config"], tensors=MappingProxyType(tensors), files=MappingProxyType(files))


def _seal(body: Mapping[str, object]) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True, separators=(",", ":")).encode()).hexdigest()
