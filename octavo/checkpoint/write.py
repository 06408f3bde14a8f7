"""Safetensors files written as a stream, and folders that appear whole or not at all."""

import json
import math
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import torch
from torch import Tensor

from octavo.checkpoint.json_file import plain
from octavo.checkpoint.manifest import TensorRecord, tensor_bytes, tensor_sha256
from octavo.checkpoint.names import Stored
from octavo.checkpoint.read import CODES
from octavo.errors import CheckpointError

_UNITS = {"": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12, "KIB": 1 << 10, "MIB": 1 << 20, "GIB": 1 << 30}
_CODE_OF = {dtype: code for code, dtype in CODES.items()}


def shard_bytes(text: str) -> int:
    """The number of bytes that a size such as 5GB, 500MB or 2GiB means.

    Raises CheckpointError for anything else.
    """
    match = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([KMGT]?I?B|)\s*", text.upper())
    if match is None or match[2] not in _UNITS or int(float(match[1]) * _UNITS[match[2]]) < 1:
        raise CheckpointError(f"shard size {text!r} is not understood: want a number and a unit, such as 5GB or 500MiB")
    return int(float(match[1]) * _UNITS[match[2]])


def split(table: Sequence[Stored], itemsize: int, max_bytes: int | None) -> list[list[Stored]]:
    """Deals tensors, in order, to shards of at most ``max_bytes``; a tensor that is larger has one of its own."""
    shards: list[list[Stored]] = [[]]
    room = max_bytes
    for stored in table:
        size = math.prod(stored.shape) * itemsize
        if room is not None and max_bytes is not None:
            if size > room and shards[-1]:
                shards.append([])
                room = max_bytes
            room -= size
        shards[-1].append(stored)
    return shards


def write_shard(
    file: Path, shard: Sequence[Stored], dtype: torch.dtype, build: Callable[[Stored], Tensor]
) -> dict[str, TensorRecord]:
    """Writes one safetensors file, building and writing one tensor at a time, and returns what a manifest says of each.

    The format: eight bytes of header length, a JSON header that pads to a multiple of eight, then the tensors without
    gaps.
    """
    records: dict[str, TensorRecord] = {}
    with file.open("xb") as stream, ThreadPoolExecutor(1) as pool:
        stream.write(_header(shard, dtype))
        for stored in shard:
            tensor = build(stored)
            assert tensor.dtype == dtype and tuple(tensor.shape) == stored.shape
            digest = pool.submit(tensor_sha256, tensor)
            stream.write(tensor_bytes(tensor))
            records[stored.name] = TensorRecord(file.name, _CODE_OF[dtype], stored.shape, digest.result())
            # Before the next is built: two at once would be twice the memory.
            del tensor
        _to_disk(stream.fileno(), stream.flush)
    return records


def write_file(file: Path, content: bytes) -> None:
    """Writes a small file and waits until the disk has it."""
    with file.open("xb") as stream:
        stream.write(content)
        _to_disk(stream.fileno(), stream.flush)


@contextmanager
def new_folder(destination: Path, *, overwrite: bool = False) -> Iterator[Path]:
    """A fresh folder to fill, which becomes ``destination`` when the block ends in peace, else is removed.

    Raises CheckpointError when the destination holds files and ``overwrite`` is False, and when the disk refuses to
    write; what was at the destination before is then untouched.
    """
    _refuse_to_overwrite(destination, overwrite)
    place = Path(os.path.realpath(destination))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(tempfile.mkdtemp(prefix=f".{place.name}.unfinished-", dir=place.parent))
    except OSError as reason:
        raise _cannot_write(destination, reason) from reason
    try:
        yield fresh
        # mkdtemp makes a folder for its owner alone; a finished one has the permissions of any other.
        fresh.chmod(0o777 & ~_umask())
        _sync_folder(fresh)
        _refuse_to_overwrite(destination, overwrite)
        _take_place(fresh, place)
    except OSError as reason:
        raise _cannot_write(destination, reason) from reason
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _take_place(fresh: Path, place: Path) -> None:
    if place.exists() and any(place.iterdir()):
        aside = Path(tempfile.mkdtemp(prefix=f".{place.name}.replaced-", dir=place.parent))
        os.rename(place, aside / "old")
        try:
            os.rename(fresh, place)
        except OSError:
            os.rename(aside / "old", place)
            raise
        finally:
            if place.exists():
                shutil.rmtree(aside, ignore_errors=True)
    else:
        os.rename(fresh, place)
    _sync_folder(place.parent)


def _refuse_to_overwrite(destination: Path, overwrite: bool) -> None:
    if destination.exists() and not destination.is_dir():
        raise CheckpointError(f"{destination}: is a file, want a folder to write: choose another name")
    if destination.is_dir() and any(destination.iterdir()) and not overwrite:
        raise CheckpointError(
            f"{destination}: holds files already: choose an empty or new folder, or ask to overwrite it"
        )


def _cannot_write(destination: Path, reason: OSError) -> CheckpointError:
    return CheckpointError(
        f"{destination}: cannot be written ({plain(reason)}): nothing was left there; make room or write elsewhere"
    )


def _header(shard: Sequence[Stored], dtype: torch.dtype) -> bytes:
    entries: dict[str, object] = {"__metadata__": {"format": "pt"}}
    start = 0
    for stored in shard:
        stop = start + math.prod(stored.shape) * dtype.itemsize
        entries[stored.name] = {"dtype": _CODE_OF[dtype], "shape": list(stored.shape), "data_offsets": [start, stop]}
        start = stop
    text = json.dumps(entries, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text


def _to_disk(descriptor: int, flush: Callable[[], None]) -> None:
    flush()
    os.fsync(descriptor)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
