"""Counted: what a statistic of counts is computed from, read from rows in one pass or kept by accumulators.

From rows come sums by document as well, hence document intervals and shuffle nulls; accumulators keep replicates.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from jaxtyping import Float64, Num

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.intervals import DocumentSums, Intervals
from octavo.errors import TraceError

# Sums over a chunk's documents, document by document.
ByDocument = Callable[[Chunk], Num[np.ndarray, "S *X"]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Rows are given for each domain (``name`` is the domain), or for all domains together (``name`` is None)."""

    name: str | None
    domains: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counted:
    """Counts by domain and layer, and sums by document by name, of what ``selection`` lets count."""

    counts: Accumulators
    selection: Selection
    layers: tuple[int, ...]
    intervals: Intervals | None = None
    sums: Mapping[str, DocumentSums] = field(default_factory=dict)
    widths: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    @property
    def coding(self) -> RouteCoding:
        """How experts become codes."""
        return self.counts.coding

    def groups(self, by: str) -> tuple[Group, ...]:
        """What rows are given for: ``by`` is "domain" or "all"; raises TraceError for another."""
        domains = self.selection.domains_among(self.counts.domains)
        if by == "domain":
            return tuple(Group(name=domain, domains=(domain,)) for domain in domains)
        if by == "all":
            return (Group(name=None, domains=domains),)
        raise TraceError(f"rows by {by!r}: want by 'domain', or by 'all' for all domains together")

    def places(self) -> Iterator[tuple[int, int]]:
        """The layers that count: the place of each in the tables, and its number in the model."""
        for layer in self.layers:
            yield self.counts.layers.index(layer), layer

    def total(self, name: str, group: Group) -> Float64[np.ndarray, "*X"] | None:
        """Sums by document of ``name``, over all of a group's documents; None where there are none of that name."""
        if name not in self.sums:
            return None
        parts = [self.sums[name].of(domain).sum(axis=0, dtype=np.float64) for domain in group.domains]
        return np.asarray(np.sum(parts, axis=0)).reshape(self.widths[name])

    def replicates(self, name: str, group: Group) -> Float64[np.ndarray, "R *X"] | None:
        """The sums of ``name`` in each replicate: None without intervals, or for fewer than two documents."""
        if self.intervals is None:
            return None
        if name in self.sums:
            found = self.sums[name].replicates(group.domains, self.intervals)
            return None if found is None else found.reshape(len(found), *self.widths[name])
        table = REPLICATED.get(name)
        if table is None or not self.counts.has(table) or self.counts.table("documents", group.domains) < 2:
            return None
        return self.counts.table(table, group.domains).astype(np.float64)

    def ends(self, replicate_RX: Float64[np.ndarray, "R *X"] | None) -> Float64[np.ndarray, "2 *X"] | None:
        """The ends of the intervals that replicates of figures make."""
        return None if replicate_RX is None or self.intervals is None else self.intervals.quantiles(replicate_RX)


# Sums by document, and the tables of accumulators that hold their replicates.
REPLICATED = {
    "rank": "replicate_rank",
    "tokens": "weights",
    "repeats": "replicate_repeats",
    "pairs": "replicate_pairs",
}


def counted(
    source: TraceSource | Accumulators,
    *,
    selection: Selection,
    intervals: Intervals | None,
    contents: Contents,
    by_document: Mapping[str, ByDocument],
) -> Counted:
    """Reads a trace once, or takes what accumulators keep.

    Raises TraceError for accumulators that counted other tokens than ``selection`` asks for, or that have no replicates
    where intervals are asked for.
    """
    if isinstance(source, Accumulators):
        _expect_same(source, selection)
        if intervals is not None and not source.contents.replicates:
            raise TraceError("these counts have no replicates: ask for no intervals, or count anew with replicates")
        layers = tuple(each for each in selection.layers_of(source.manifest) if each in source.layers)
        return Counted(counts=source, selection=selection, layers=layers, intervals=intervals)
    counts = Accumulators(manifest=source.manifest, contents=contents, selection=selection)
    for domain in selection.domains_of(source):
        counts.room(domain)
    sums = {name: DocumentSums() for name in by_document}
    widths: dict[str, tuple[int, ...]] = {}
    wants = counts.columns
    for chunk in selection.chunks(source, weights=wants["weights"], logits=wants["logits"]):
        counts.add(chunk)
        for name, sum_of in by_document.items():
            sum_SX = sum_of(chunk)
            widths[name] = sum_SX.shape[1:]
            sums[name].add(chunk.domain, sum_SX.reshape(len(sum_SX), -1))
    return Counted(
        counts=counts, selection=selection, layers=counts.layers, intervals=intervals, sums=sums, widths=widths
    )


def bare(**wanted: object) -> Contents:
    """The least that is counted in a pass over rows, and what is ``wanted`` beside it."""
    least = Contents(pairs=False, layer_pairs=False, vocabulary=False, confidence=False, lags=(), replicates=0)
    return replace(least, **wanted)  # type: ignore[arg-type]


def expect_ranks(manifest: TraceManifest, choices: tuple[str, ...], ranked: tuple[str, ...]) -> None:
    """Raises TraceError where a choice that wants the order of ranks is asked of a trace that does not know it."""
    asked = [choice for choice in choices if choice in ranked]
    if manifest.rank_ordered is not True and asked:
        raise TraceError(f"nobody knows which expert came first in this trace, so no {asked[0]!r}: ask for 'either'")


def _expect_same(counts: Accumulators, selection: Selection) -> None:
    for name in ("bos", "special", "across_documents", "phase"):
        want, have = getattr(selection, name), getattr(counts.selection, name)
        if want != have:
            raise TraceError(f"these counts were made with {name}={have}, not {want}: ask for that, or count anew")
    if lost := [layer for layer in selection.layers or () if layer not in counts.layers]:
        raise TraceError(f"these counts are without layer {lost[0]}: they have {', '.join(map(str, counts.layers))}")
