"""Opening what a report is on: a trace with its rows, or one that keeps statistics only, and its words."""

from collections.abc import Mapping
from pathlib import Path

from octavo.analysis.accumulators import Accumulators, load
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.report.run import Told
from octavo.analysis.source import TraceSource
from octavo.analysis.store import RouteTrace
from octavo.analysis.store.vocabulary import read_words

ENDING = ".route"


def open_told(path: str | Path) -> Told:
    """Opens the trace in a folder; raises TraceError, naming the file, for one that is missing or damaged."""
    folder = Path(path)
    if TraceManifest.read(folder).statistics_only:
        name = folder.resolve().name.removesuffix(ENDING)
        return Told(name=name, path=str(path), source=load(folder), pieces=read_words(folder).pieces)
    return told(RouteTrace.open(folder))


def told(source: TraceSource | Accumulators, *, name: str | None = None, path: str | None = None) -> Told:
    """What a report says of a trace besides its figures, as far as the trace knows it itself."""
    if not isinstance(source, RouteTrace):
        words: Mapping[int, bytes] = getattr(source, "vocabulary", dict)()
        return Told(
            name=name or source.manifest.model or "trace", path=path or "RUN.route", source=source, pieces=words
        )
    folder = source.folders[0]
    return Told(
        name=name or folder.resolve().name.removesuffix(ENDING),
        path=path or str(folder),
        source=source,
        pieces=source.vocabulary(),
        names={each.document: each.name for each in source.documents()},
        num_tokens=source.num_tokens,
    )
