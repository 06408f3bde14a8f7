"""Which files of a folder hold its weights, and none outside it: the index is a stranger's word."""

import os
import re
from pathlib import Path

from octavo.checkpoint.json_file import MAX_INDEX_BYTES, read_object
from octavo.errors import CheckpointError

_SHA256 = re.compile(r"[0-9a-f]{64}")
_LONGEST_NAME = 255
_STEMS = {False: "model", True: "consolidated"}


def single_name(native: bool) -> str:
    """What the one weight file of an unsharded folder is called."""
    return f"{_STEMS[native]}.safetensors"


def index_name(native: bool) -> str:
    """What the index of a sharded folder is called."""
    return f"{_STEMS[native]}.safetensors.index.json"


def shard_name(native: bool, number: int, total: int) -> str:
    """What shard ``number`` (from 1) of ``total`` is called."""
    return f"{_STEMS[native]}-{number:05d}-of-{total:05d}.safetensors"


def has_weights(folder: Path, native: bool) -> bool:
    """Whether the folder has safetensors of that family, whole or not."""
    return any(folder.glob(f"{_STEMS[native]}*.safetensors")) or (folder / index_name(native)).exists()


def pickled_files(folder: Path) -> tuple[Path, ...]:
    """The consolidated.NN.pth or .pt files of a folder, in order."""
    found = [path for path in folder.glob("consolidated.*") if re.fullmatch(r"consolidated\.\d\d\.pth?", path.name)]
    return tuple(sorted(found))


def weight_files(folder: Path, native: bool) -> tuple[tuple[Path, ...], dict[str, str] | None]:
    """The safetensors files of a folder, and the index's map of tensor name to file name (None without an index).

    Raises CheckpointError when there are none, when an index and an unsharded file contradict each other, and when
    the index names anything but files of this folder.
    """
    single, index = folder / single_name(native), folder / index_name(native)
    if not index.exists():
        if single.exists():
            return (inside(folder, single.name, single),), None
        _say_what_is_missing(folder, native)
    if single.exists():
        raise CheckpointError(f"{folder}: has both {single.name} and {index.name}: remove the one that is not meant")
    mapped = _weight_map(index)
    names = sorted(set(mapped.values()))
    return tuple(inside(folder, name, index) for name in names), mapped


def hub_blob(file: Path) -> str | None:
    """The name of the blob behind a file of a Hub snapshot: a large file's SHA-256, a small one's git hash.

    Only the first link is followed: what it names may itself be a link into a store that names files by another hash.
    """
    if not file.is_symlink():
        return None
    blob = Path(os.path.normpath(file.parent.resolve() / file.readlink()))
    return blob.name if blob.parent == _blobs(file.parent) else None


def hub_sha256(file: Path) -> str | None:
    """The SHA-256 that the Hub cache has for a weight file; None where it has none."""
    blob = hub_blob(file)
    return blob if blob and _SHA256.fullmatch(blob) else None


def _weight_map(index: Path) -> dict[str, str]:
    mapped = read_object(index, max_bytes=MAX_INDEX_BYTES).get("weight_map")
    if not isinstance(mapped, dict) or not mapped:
        raise CheckpointError(f"{index}: has no weight_map of tensor names to files: fetch the file again")
    for name, file in mapped.items():
        if not isinstance(file, str) or not file.endswith(".safetensors"):
            raise CheckpointError(f"{index}: tensor {name!r} is said to be in {file!r}, want a .safetensors file")
    return mapped


def inside(folder: Path, name: str, said_by: Path) -> Path:
    """The file ``name`` of ``folder``; raises CheckpointError unless it is a plain name and lies there."""
    if name != Path(name).name or "\\" in name or not name.isprintable() or len(name) > _LONGEST_NAME:
        raise CheckpointError(f"{said_by}: names {name[:80]!r}, want the plain name of a file in this folder")
    file = folder / name
    try:
        found = file.resolve(strict=True)
    except (OSError, RuntimeError, ValueError) as reason:
        # RuntimeError is how Python 3.11 says that links lead in a circle.
        raise CheckpointError(f"{file}: missing, though {said_by.name} names it: fetch the folder again") from reason
    home = folder.resolve()
    blobs = _blobs(folder)
    allowed = (home, *((blobs, blobs.parent.parent / "blobs") if blobs else ()))
    if not any(found.is_relative_to(root) for root in allowed):
        raise CheckpointError(f"{file}: a link to {found}, outside of the folder: put the file itself there")
    return file


def _blobs(folder: Path) -> Path | None:
    """Where the Hub cache keeps the files of a snapshot folder; None for a folder that is not one."""
    home = folder.resolve()
    is_snapshot = home.parent.name == "snapshots" and home.parent.parent.name.startswith("models--")
    return home.parent.parent / "blobs" if is_snapshot else None


def _say_what_is_missing(folder: Path, native: bool) -> None:
    shards = sorted(folder.glob(f"{_STEMS[native]}-*.safetensors"))
    if shards:
        raise CheckpointError(f"{folder}: has {shards[0].name} but no {index_name(native)}: fetch the index too")
    if pickled := pickled_files(folder):
        raise CheckpointError(
            f"{folder}: {pickled[0].name} is a pickle, which is not loaded: run octavo convert --allow-pickle once"
        )
    raise CheckpointError(
        f"{folder}: has no {single_name(native)}: not a model folder, or its weights were not fetched"
    )
