"""Checkpoints of a run: a fresh folder a step, complete from the moment that its DONE is there.

    step-00001000/ model.safetensors  optimizer.safetensors  state.json  DONE

Every file is on disk before DONE is written, and DONE names their sizes and SHA-256. A folder without it is what a
killed run left; it is never read, and the next save of that step replaces it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor

from octavo.errors import CheckpointError

_NAME = "step-{:08d}"
_DONE = "DONE"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """Everything that a run needs to go on: the masters, the optimizer's tensors, and plain values."""

    step: int
    masters: Mapping[str, Tensor]
    optimizer: Mapping[str, Tensor]
    state: Mapping[str, Any]


def complete(folder: Path) -> list[Path]:
    """The complete checkpoints of a run, oldest first."""
    return sorted(path for path in folder.glob("step-*") if (path / _DONE).is_file())


def write(folder: Path, snapshot: Snapshot, *, keep: int) -> Path:
    """Saves a snapshot below ``folder``, then removes all but the newest ``keep``; returns its folder.

    Raises CheckpointError when it cannot be written, a full disk for one; the older ones are then as they were.
    """
    path = folder / _NAME.format(snapshot.step)
    try:
        remove(path)
        path.mkdir(parents=True)
        files = {
            "model.safetensors": save(dict(snapshot.masters)),
            "optimizer.safetensors": save(dict(snapshot.optimizer)),
            "state.json": json.dumps({"step": snapshot.step, **snapshot.state}).encode(),
        }
        for name, content in files.items():
            _write_through(path / name, content)
        done = {name: [len(content), hashlib.sha256(content).hexdigest()] for name, content in files.items()}
        _sync(path)
        # Under another name first: DONE is there whole or not at all.
        _write_through(path / f"{_DONE}.new", json.dumps(done).encode())
        os.replace(path / f"{_DONE}.new", path / _DONE)
        _sync(path)
        _sync(folder)
    except OSError as error:
        shutil.rmtree(path, ignore_errors=True)
        held = complete(folder)
        last = f"the last complete one is {held[-1].name}" if held else "there is no earlier one"
        raise CheckpointError(
            f"the checkpoint {path} could not be written ({error.strerror or error}): {last}; "
            "make room and go on with --resume"
        ) from error
    for old in complete(folder)[:-keep]:
        remove(old)
    return path


def read(path: Path) -> Snapshot:
    """Reads a complete checkpoint. Raises CheckpointError when a file is missing or not what was saved."""
    done = _parsed(path / _DONE)
    content: dict[str, bytes] = {}
    for name in ("model.safetensors", "optimizer.safetensors", "state.json"):
        try:
            content[name] = (path / name).read_bytes()
        except OSError as error:
            raise CheckpointError(
                f"{path / name} cannot be read ({error.strerror}): remove {path} to use an older one"
            ) from error
        found = [len(content[name]), hashlib.sha256(content[name]).hexdigest()]
        if done.get(name) != found:
            raise CheckpointError(f"{path / name} is not what was saved: remove {path} to use an older one")
    state = json.loads(content["state.json"])
    try:
        masters, optimizer = load(content["model.safetensors"]), load(content["optimizer.safetensors"])
    except SafetensorError as error:
        raise CheckpointError(f"{path} cannot be read ({error}): remove it to use an older one") from error
    return Snapshot(state.pop("step"), masters, optimizer, state)


def _parsed(path: Path) -> dict[str, Any]:
    try:
        found = json.loads(path.read_bytes())
    except (OSError, ValueError) as error:
        raise CheckpointError(f"{path} cannot be read ({error}): remove {path.parent} to use an older one") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path} does not list its files: remove {path.parent} to use an older one")
    return found


def remove(path: Path) -> None:
    """Removes a checkpoint; DONE goes first, so what a kill leaves of it is never taken for a whole one."""
    if path.exists():
        (path / _DONE).unlink(missing_ok=True)
        _sync(path)
        shutil.rmtree(path)


def _write_through(path: Path, content: bytes) -> None:
    """Writes a file and waits until it is on disk."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Waits until the folder's own entries are on disk."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
