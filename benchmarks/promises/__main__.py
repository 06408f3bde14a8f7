"""Tries promises one after another, prints a line for each, and ends with 1 where one was not kept."""

import argparse
import importlib
import os
import pkgutil
import runpy
import sys
import time
import traceback
from collections.abc import Iterator
from pathlib import Path

import torch

from benchmarks import promises
from benchmarks.promises.promise import Keep, Promise
from benchmarks.promises.sheet import SHEET, entry, write_entry
from benchmarks.provenance import provenance

PAGE_WRITER = SHEET.parent.parent / "docs" / "reliability_page.py"
PACKAGES = ("fastapi", "starlette", "uvicorn", "httptools", "uvloop", "pydantic", "llguidance")


def find(names: list[str]) -> Iterator[tuple[str, Keep]]:
    """The promises of these modules, or of all: the module's name and the function."""
    known = {found.name for found in pkgutil.iter_modules(promises.__path__)} - {"__main__"}
    for name in names:
        if name not in known:
            raise SystemExit(f"promises: {name} is not known: want some of {', '.join(sorted(known))}")
    for name in names or sorted(known):
        module = importlib.import_module(f"benchmarks.promises.{name}")
        yield from ((name, keep) for keep in getattr(module, "PROMISES", ()))


def attempt(keep: Keep, scale: float, seed: int) -> Promise:
    """The promise, failed where trying it raised."""
    try:
        return keep(scale, seed)
    except Exception as error:
        traceback.print_exc()
        return Promise(name=keep.__name__.replace("_", " "), tried=1, failed=1, detail={"error": repr(error)[:200]})


def main(arguments: list[str]) -> int:
    """Returns the exit code."""
    parser = argparse.ArgumentParser(prog="promises", description=__doc__)
    parser.add_argument("modules", nargs="*", help="only these; all by default")
    parser.add_argument("--scale", type=float, default=float(os.environ.get("OCTAVO_PROMISES_SCALE", "1")))
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path, help="the sheet; by default only full counts are written down")
    given = parser.parse_args(arguments)
    output = given.output or (SHEET if given.scale >= 1 else None)
    broken = 0
    for module, keep in find(given.modules):
        start = time.monotonic()
        promise = attempt(keep, given.scale, given.seed)
        seconds = time.monotonic() - start
        broken += not promise.kept
        figures = ", ".join(f"{name} {value}" for name, value in promise.detail.items())
        print(promise.line, f"({module}, {seconds:.0f} s{', ' * bool(figures)}{figures})", flush=True)
        if output is not None:
            origin = provenance(torch.device("cpu"), *PACKAGES)
            about = (keep.__doc__ or "").split("\n\n")[0]
            told = entry(promise, about=about, scale=given.scale, seed=given.seed, seconds=seconds, origin=origin)
            write_entry(told, output)
            if output == SHEET:
                runpy.run_path(str(PAGE_WRITER), run_name="__main__")
    return min(broken, 1)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
