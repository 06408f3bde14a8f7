"""Writes a trace, kills the writer with SIGKILL, reads what is left and goes on; prints one JSON line a trial.

    python killing.py FOLDER TRIALS SEED

Even trials are killed at a random moment, odd ones at a random step of a part's or index's writing. Everything that
touches Arrow runs in a forked child, so that the parent has no threads to fork.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import IO

import numpy as np

from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter, extras, parts
from tests.analysis.synthetic import manifest_of, uniform

COUNT = 60
DOMAINS = ("a", "b/c", "ä")


def text(number: int) -> DocumentRoutes:
    """The document with this number, the same whoever asks."""
    size = 1 + number * 7 % 40
    return uniform(size, num_layers=3, seed=number, name=f"n{number}", domain=DOMAINS[number % 3], document=number)


def write(folder: Path, dying_step: int = 0) -> None:
    """Adds what the trace lacks, with a part for every few documents and every document saved at once."""
    if dying_step:
        die_at(dying_step)
    with TraceWriter(folder, manifest_of([text(0)]), part_tokens=100, flush_seconds=0) as writer:
        for number in range(COUNT):
            if not writer.has(text(number).domain, text(number).name):
                writer.add(text(number))


def check(folder: Path, least: int) -> int:
    """Reads everything that is there; every document must be whole and as it was given, and none be lost again."""
    if not list(folder.glob("domain=*/part-*.parquet")):
        assert not least
        return 0
    trace = RouteTrace.open(folder)
    for chunk in trace.chunks():
        for place, number in enumerate(chunk.document_S.tolist()):
            rows = slice(*chunk.start_S1[place : place + 2])
            given = text(number)
            assert np.array_equal(chunk.expert_LTK[:, rows].swapaxes(0, 1), given.expert_TLK)
            assert given.token_T is not None and chunk.token_T is not None
            assert np.array_equal(chunk.token_T[rows], given.token_T)
    found = len(trace.documents())
    assert found >= least, f"{least} documents were there, now {found}"
    assert found < COUNT or sum(text(number).num_tokens for number in range(COUNT)) == trace.num_tokens
    return found


def die_at(step: int) -> None:
    """Lets the process be killed at one of the steps of a file's writing: half written, unnamed, or just named."""
    steps = 0
    parquet = parts.parquet()
    whole, replace = parquet.write_table, Path.replace

    def write_or_die(table: object, file: IO[bytes], **options: object) -> None:
        whole(table, file, **options)
        count(lambda: file.truncate(random.Random(step).randrange(400)))

    def count(last_act: Callable[[], object] = lambda: None) -> None:
        nonlocal steps
        steps += 1
        if steps == step:
            last_act()
            os.kill(os.getpid(), signal.SIGKILL)

    def replace_or_die(self: Path, target: Path) -> Path:
        count()
        moved = replace(self, target)
        count()
        return moved

    parquet.write_table = write_or_die
    Path.replace = replace_or_die  # type: ignore[method-assign]


def in_child(work: Callable[[], int | None], seconds: float | None = None) -> tuple[int, int]:
    """Runs ``work`` in a child, killed after ``seconds``; gives its wait status and what it returned."""
    reader, writer = os.pipe()
    child = os.fork()
    if not child:
        try:
            answer = work() or 0
            os.write(writer, str(answer).encode())
            os._exit(0)
        except BaseException as error:
            print(f"child: {error!r}", file=sys.stderr, flush=True)
            os._exit(1)
    os.close(writer)
    if seconds is not None:
        time.sleep(seconds)
        os.kill(child, signal.SIGKILL)
    status = os.waitpid(child, 0)[1]
    with os.fdopen(reader, "rb") as pipe:
        return status, int(pipe.read() or 0)


def main(folder: Path, trials: int, seed: int) -> None:
    chance = random.Random(seed)
    extras.arrow().array(np.zeros(1))  # imports what Arrow needs once, for all children
    os.fsync = lambda handle: None  # a killed process leaves the system alive, and trials are quicker without
    began = time.perf_counter()
    assert in_child(lambda: write(folder / "whole.route"))[0] == 0
    duration = time.perf_counter() - began
    trace, found = folder / "0.route", 0
    for trial in range(trials):
        if found == COUNT:
            trace, found = folder / f"{trial}.route", 0
        step = 1 + int(chance.random() ** 2 * 120) if trial % 2 else 0
        killed = in_child(partial(write, trace, step), None if step else chance.random() * duration)[0]
        status, found = in_child(partial(check, trace, found))
        print(
            json.dumps({"trial": trial, "killed": killed == signal.SIGKILL, "read": status, "found": found}), flush=True
        )
        if status:
            sys.exit(1)
    assert in_child(lambda: write(trace))[0] == 0
    assert in_child(lambda: check(trace, COUNT)) == (0, COUNT)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
