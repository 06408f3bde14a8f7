"""write_report: one HTML file with all figures of one trace, or of several side by side."""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from octavo import __version__
from octavo.analysis.accumulators import Accumulators
from octavo.analysis.report.comparison import compare_runs
from octavo.analysis.report.embedding import fill_template
from octavo.analysis.report.opening import told
from octavo.analysis.report.run import REPLICATES, Tell, Told, describe_run
from octavo.analysis.report.words import Strings
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.intervals import Intervals
from octavo.errors import TraceError

FORMAT = "octavo-report"
VERSION = 1
ROOM = 700_000  # bytes of the page for all excerpts together: the rest of 2 MB is for the figures


def write_report(
    traces: TraceSource | Accumulators | Told | Sequence[TraceSource | Accumulators | Told],
    path: str | Path,
    *,
    title: str | None = None,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    tell: Tell | None = None,
) -> Path:
    """Writes the report of one trace or several to ``path``, whole or not at all, and returns the path.

    A trace is a RouteTrace, anything that reads like one, Accumulators, or a Told, which adds a name and the words.
    ``intervals`` are those of 200 draws of documents where none are given. ``tell`` is called as the work goes on.
    Raises TraceError for no trace, or one without tokens that count.
    """
    given = [traces] if not isinstance(traces, Sequence) else list(traces)
    if not given:
        raise TraceError("no trace to report on: give one, or several of one kind to compare")
    runs = _distinct([each if isinstance(each, Told) else told(each) for each in given])
    strings, intervals = Strings(), intervals or Intervals(replicates=REPLICATES)
    described = [
        describe_run(
            each,
            strings,
            selection=selection or _own_selection(each),
            intervals=intervals,
            room=ROOM // len(runs),
            tell=tell or _say_nothing,
        )
        for each in runs
    ]
    for each, page in zip(runs[1:], described[1:], strict=True):
        pages, left_out = compare_runs(runs[0], each, selection=selection or Selection(), intervals=intervals)
        page["courses"] = pages + page["courses"]
        page["facts"] += left_out
    named = title or " and ".join(run["name"] for run in described)
    document = {
        "format": FORMAT,
        "version": VERSION,
        "title": named,
        "made": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "octavo": __version__,
        "runs": described,
        "strings": strings.texts,
    }
    return _write(Path(path), fill_template(document, title=named))


def _own_selection(run: Told) -> Selection:
    """What counts where nobody says it: what was counted, where only the counts are left."""
    return run.source.selection if isinstance(run.source, Accumulators) else Selection()


def _distinct(runs: list[Told]) -> list[Told]:
    """The runs under names that differ."""
    found: list[Told] = []
    for each in runs:
        number, name = 2, each.name
        while name in {other.name for other in found}:
            name, number = f"{each.name} ({number})", number + 1
        found.append(replace(each, name=name))
    return found


def _write(path: Path, page: str) -> Path:
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        fresh.write_text(page, encoding="utf-8")
        fresh.replace(path)
    except OSError as error:
        fresh.unlink(missing_ok=True)
        raise TraceError(f"{path} cannot be written ({error.strerror or error}): choose another place") from None
    return path


def _say_nothing(_: str, __: int, ___: int) -> None:
    """Where nobody looks, nothing is told."""
