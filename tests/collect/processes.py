"""Forked processes that trace: several at once, and some that are killed at a chosen moment.

Every run is a child of its own, so that nothing survives of it but its files.
"""

import os
import signal
import socket
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from octavo.analysis.accumulators import CountsWriter
from octavo.analysis.store import TraceWriter, writer
from octavo.collect.crew import muster
from octavo.collect.tracing import Job, trace
from tests.collect.conftest import open_llm
from tests.training.killing import started


def ended(children: list[int]) -> list[int]:
    """What each child ended with: 0, or the signal that killed it, or 256 for an error."""
    return [os.waitpid(child, 0)[1] for child in children]


def together(size: int, work: Callable[[int], None]) -> list[int]:
    """Runs ``work`` in ``size`` children that can find each other, each with its rank."""
    with socket.socket() as probe:
        probe.bind(("localhost", 0))
        port = probe.getsockname()[1]

    def run(rank: int) -> None:
        os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(size)}
        os.environ |= {"MASTER_ADDR": "localhost", "MASTER_PORT": str(port)}
        work(rank)

    return ended([started(partial(run, rank)) for rank in range(size)])


def crew(size: int, job: Job, output: Path, *, before: Callable[[int], None] = lambda rank: None) -> list[int]:
    """Traces with ``size`` processes; ``before`` is called in each with its rank."""

    def work(rank: int) -> None:
        before(rank)
        with muster() as mustered:
            assert (mustered.rank, mustered.size) == (rank, size)
            trace(open_llm(job.folder), job, output, crew=mustered, flush_seconds=0.0)

    return together(size, work)


def die_at_document(count: int) -> None:
    """Lets this process be killed when it has added so many documents."""
    calls = 0

    def dying(whole: Callable[..., None]) -> Callable[..., None]:
        def add(self: Any, document: Any) -> None:
            nonlocal calls
            whole(self, document)
            calls += 1
            if calls == count:
                os.kill(os.getpid(), signal.SIGKILL)

        return add

    for kind in (TraceWriter, CountsWriter):
        kind.add = dying(kind.add)  # type: ignore[method-assign]


def die_inside_a_write(count: int) -> None:
    """Lets this process be killed when a part is half written, the ``count``-th that it writes."""
    whole, calls = writer.write_table, 0

    def write(table: Any, path: Path, **how: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == count:
            whole(table, path.with_name(f".{path.name}.new"), **how)
            half = path.with_name(f".{path.name}.new")
            half.write_bytes(half.read_bytes()[: half.stat().st_size // 2])
            os.kill(os.getpid(), signal.SIGKILL)
        whole(table, path, **how)

    writer.write_table = write  # type: ignore[assignment]
