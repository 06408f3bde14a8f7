"""Writes docs/reliability.md from benchmarks/reliability.json: ``python docs/reliability_page.py``. A test compares."""

import json
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "reliability.md"
SHEET = Path(__file__).parent.parent / "benchmarks" / "reliability.json"
OPENING = """\
# What the server bears

Each promise was tried so many times against a real `octavo serve` with octavo-mini on a CPU, and failed so often.
`make promises` tries all of them in full and writes `benchmarks/reliability.json`, of which this page is made;
`make promises ARGS="--scale 0.1"` tries a seeded tenth; continuous integration tries some so. What is bounded, and by
how much, is in [security.md](security.md).
"""
NOTHING = "Nothing has been tried in full yet.\n"


def page(promises: list[dict[str, Any]]) -> str:
    """The whole page."""
    if not promises:
        return f"{OPENING}\n{NOTHING}"
    rows = ["| promise | tried | failed | day | commit |", "|---|---:|---:|---|---|"]
    rows += [row(each) for each in promises]
    return "\n".join([OPENING, *rows, "", *(section(each) for each in promises)])


def row(promise: dict[str, Any]) -> str:
    """One promise in the table."""
    origin = promise["origin"]
    share = "" if promise["scale"] >= 1 else f" (a share of {promise['scale']:g})"
    figures = (
        f"{promise['tried']:,}{share} | {promise['failed']:,} | {origin['date']} | {(origin['commit'] or '?')[:10]}"
    )
    return f"| {promise['name']} | {figures} |"


def section(promise: dict[str, Any]) -> str:
    """What was tried, the figures beside it, and where."""
    origin = promise["origin"]
    figures = "".join(f"- {name}: {value}\n" for name, value in promise["detail"].items())
    machine = f"{origin['device']}, {origin['cores']} cores; Python {origin['python']}, torch {origin['torch']}"
    tried = f"*{machine}; {promise['seconds']:.0f} s, seed {promise['seed']}.*"
    return f"## {promise['name']}\n\n{promise['about']}\n\n{figures}{chr(10) * bool(figures)}{tried}\n"


def read() -> list[dict[str, Any]]:
    """The promises of the sheet."""
    return list(json.loads(SHEET.read_text(encoding="utf-8"))["promises"]) if SHEET.exists() else []


if __name__ == "__main__":
    PAGE.write_text(page(read()), encoding="utf-8")
