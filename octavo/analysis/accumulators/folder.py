"""Counts on disk: ``X.route/manifest.json`` and ``X.route/stats/counts.npz``, plain arrays that need no trust to read.

The archive holds each table as ``number of the domain/name``, the numbers of each domain's documents, and, as UTF-8
bytes under ``about``, a JSON object: what is kept, what counts, the domains' names, the hashes of all parts.
"""

import json
import os
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

FOLDER, FILE, VERSION = "stats", "counts.npz", 1


def save(counts: Accumulators, folder: Path) -> None:
    """Writes the counts into ``folder``, in one step; raises TraceError where that fails, and keeps what was there."""
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
    path = folder / FOLDER / FILE
    fresh = path.with_name(f".{FILE}.new")
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
    """Reads the counts in ``folder``; raises TraceError, naming the file, for missing, damaged or foreign ones."""
    manifest = TraceManifest.read(folder)
    path = folder / FOLDER / FILE
    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as archive:
            about = json.loads(archive["about"].tobytes())
            if about.get("version") != VERSION:
                raise TraceError(f"{path} has version {about.get('version')!r}, want {VERSION}: use its own Octavo")
            arrays = {name: archive[name] for name in archive.files}
        counts = _counts_of(manifest, about, arrays)
        counts.words = read_words(folder).pieces
    except FileNotFoundError:
        raise TraceError(f"{path} is missing: want counts, as 'octavo trace --stats-only' writes them") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError, zipfile.BadZipFile, EOFError) as error:
        if isinstance(error, TraceError):
            raise
        raise TraceError(f"{path} cannot be read ({error}): count the texts anew") from None
    return counts


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
