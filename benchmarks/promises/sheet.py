"""The sheet: benchmarks/reliability.json, one entry for each promise, with the day, the commit and the machine."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from benchmarks.promises.promise import Promise

SHEET = Path(__file__).parent.parent / "reliability.json"


def entry(
    promise: Promise, *, about: str, scale: float, seed: int, seconds: float, origin: Mapping[str, Any]
) -> dict[str, Any]:
    """What the sheet says of one promise: ``about`` is what is tried, ``origin`` where (benchmarks/provenance.py)."""
    return {
        "name": promise.name,
        "about": " ".join(about.split()),
        "tried": promise.tried,
        "failed": promise.failed,
        "scale": scale,
        "seed": seed,
        "seconds": round(seconds, 1),
        "detail": dict(promise.detail),
        "origin": dict(origin),
    }


def read_sheet(path: Path = SHEET) -> list[dict[str, Any]]:
    """The entries, by name; none where there is no sheet yet."""
    if not path.exists():
        return []
    entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))["promises"]
    return entries


def write_entry(fresh: Mapping[str, Any], path: Path = SHEET) -> None:
    """Puts one entry in the place of the older one of its name."""
    entries = [each for each in read_sheet(path) if each["name"] != fresh["name"]] + [dict(fresh)]
    text = json.dumps({"promises": sorted(entries, key=lambda each: str(each["name"]))}, indent=1)
    whole = path.with_suffix(".new")
    whole.write_text(text + "\n", encoding="utf-8")
    whole.replace(path)
