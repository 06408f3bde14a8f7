"""Counts on disk: ``X.route/manifest.json`` and a ``stats/counts-00000.npz`` of each process, plain arrays.

They need no trust to read. An archive holds each table as ``number of the domain/name``, the numbers of each domain's
documents, and, as UTF-8 bytes under ``about``, a JSON object: what is kept, what counts, the domains' names, the
hashes of all parts.
"""

import json
import os
import re
import zipfile
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np

from octavo.analysis.accumulators.contents import Contents
from octavo.analysis.accumulators.tables import Accumulators
from octavo.analysis.chunk import Phase
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.store.vocabulary import read_words
from octavo.errors import TraceError

FOLDER, VERSION = "stats", 1
NAME = re.compile(r"counts-(\d{5,})\.npz")


def shards(folder: Path) -> list[int]:
    """The ranks of the processes that left counts in ``folder``, rising."""
    names = [NAME.fullmatch(path.name) for path in (folder / FOLDER).glob("counts-*.npz")]
    return sorted(int(each[1]) for each in names if each)


def save(counts: Accumulators, folder: Path, *, rank: int = 0) -> None:
    """Writes a process's counts into ``folder``, in one step.

    Raises TraceError where that fails, or where the folder holds something else; what was there stays.
    """
    names = sorted(counts.tables)
    about = {
        "version": VERSION,
        "domains": names,
        "parts": list(counts.parts),
        "contents": asdict(counts.contents),
        "selection": asdict(counts.selection),
    }
    arrays: dict[str, Any] = {"about": np.frombuffer(json.dumps(about).encode(), np.uint8)}
    for number, name in enumerate(names):
        arrays |= {f"{number}/{table}": array for table, array in counts.tables[name].items()}
        arrays[f"{number}/numbers"] = np.array(sorted(counts.documents.get(name, ())), np.uint32)
    path = _path(folder, rank)
    fresh = path.with_name(f".{path.name}.new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("wb") as file:
            np.savez_compressed(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        replace(counts.manifest, statistics_only=True).write(folder)
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise TraceError(
            f"{path} cannot be written ({error.strerror or error}): make room, or choose another"
        ) from None


def load(folder: Path) -> Accumulators:
    """Reads the counts of all processes in ``folder``, added up, and what the token ids spell.

    Raises TraceError, naming the file, for missing, damaged or foreign ones, and where two counted the same document.
    """
    manifest = TraceManifest.read(folder)
    ranks = shards(folder)
    if not ranks:
        raise TraceError(f"{folder / FOLDER} has no counts: want those that 'octavo trace --stats-only' writes")
    counts = load_shard(folder, ranks[0], manifest)
    for rank in ranks[1:]:
        shard = load_shard(folder, rank, manifest)
        try:
            counts.merge(shard)
        except TraceError as error:
            raise TraceError(f"{_path(folder, rank)}: {error}") from None
    counts.words = read_words(folder).pieces
    return counts


def numbers_of(folder: Path) -> dict[str, set[int]]:
    """The numbers of the documents that were counted, by domain, whichever process counted them."""
    found: dict[str, set[int]] = {}
    for rank in shards(folder):
        about, arrays = _read(_path(folder, rank), tables=False)
        for number, domain in enumerate(about["domains"]):
            found.setdefault(domain, set()).update(arrays[f"{number}/numbers"].tolist())
    return found


def load_shard(folder: Path, rank: int, manifest: TraceManifest | None = None) -> Accumulators:
    """Reads the counts of one process; raises TraceError, naming the file, for damaged or foreign ones."""
    manifest = manifest or TraceManifest.read(folder)
    path = _path(folder, rank)
    about, arrays = _read(path)
    try:
        return _counts_of(manifest, about, arrays)
    except TraceError:
        raise
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _unreadable(path, error) from None


def _path(folder: Path, rank: int) -> Path:
    return folder / FOLDER / f"counts-{rank:05}.npz"


def _unreadable(path: Path, error: Exception) -> TraceError:
    return TraceError(f"{path} cannot be read ({error}): count the texts anew")


def _read(path: Path, *, tables: bool = True) -> tuple[dict[str, Any], dict[str, Any]]:
    """What an archive says of itself, and its arrays: all of them, or only the documents' numbers."""
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(archive["about"].tobytes())
            if about.get("version") != VERSION:
                raise TraceError(f"{path} has version {about.get('version')!r}, want {VERSION}: use its own Octavo")
            wanted = [name for name in archive.files if tables or name.endswith("/numbers")]
            return about, {name: archive[name] for name in wanted}
    except TraceError:
        raise
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        raise _unreadable(path, error) from None


def _counts_of(manifest: TraceManifest, about: dict[str, Any], arrays: dict[str, Any]) -> Accumulators:
    contents = Contents(**{**about["contents"], "lags": tuple(about["contents"]["lags"])})
    counts = Accumulators(
        manifest=manifest,
        contents=contents,
        selection=_selection_of(about["selection"]),
        merged=set(about["parts"]),
    )
    for number, domain in enumerate(about["domains"]):
        room = counts.room(domain)
        for name, empty in room.items():
            table = arrays[f"{number}/{name}"]
            if table.shape != empty.shape or table.dtype != np.int64 or (table < 0).any():
                raise ValueError(
                    f"table {name!r} has shape {table.shape} of {table.dtype}, want {empty.shape} of int64"
                )
            room[name] = table
        counts.documents[domain] = set(arrays[f"{number}/numbers"].tolist())
    return counts


def _selection_of(kept: dict[str, Any]) -> Selection:
    phase = kept["phase"]
    several = {name: None if kept[name] is None else tuple(kept[name]) for name in ("domains", "layers")}
    return Selection(**{**kept, **several, "phase": None if phase is None else Phase(phase)})
