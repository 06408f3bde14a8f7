"""The figures by name: what each shows, and how it is made from a trace."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.figures.distance import distance_maps
from octavo.analysis.figures.figure import Figure, middle_layers
from octavo.analysis.figures.flow import transition_maps
from octavo.analysis.figures.loads import load_by_layer
from octavo.analysis.figures.repetition import repetition_by_layer, repetition_table
from octavo.analysis.figures.shares import share_bars, share_map
from octavo.analysis.figures.text import coloured_panels
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.assignment_share import assignment_share
from octavo.analysis.statistics.coloured_text import coloured_texts
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.load import load
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.specialisation import domain_specialisation
from octavo.analysis.statistics.transitions import transitions
from octavo.analysis.store import Document
from octavo.errors import TraceError

Source = TraceSource | Accumulators


@runtime_checkable
class Named(Protocol):
    """A trace that knows the names of its documents; RouteTrace is one."""

    def documents(self) -> list[Document]:
        """All documents, in order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What of a trace a figure is to show, and with which intervals; ``tokens``, ``document`` are for coloured text."""

    selection: Selection
    intervals: Intervals | None = None
    tokens: int = 130
    document: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """An entry of the catalogue: ``few_layers`` says that without a wish it shows the first, middle and last layer."""

    make: Callable[[Source, Wish], Figure]
    meaning: str
    few_layers: bool = False


def figure(source: Source, name: str, wish: Wish) -> Figure:
    """Makes the figure called ``name`` of a trace; raises TraceError for a name or a wish that cannot be had."""
    if name not in FIGURES:
        raise TraceError(f"no figure {name!r}: want one of {', '.join(FIGURES)}")
    selection = wish.selection
    if FIGURES[name].few_layers and selection.layers is None:
        selection = replace(selection, layers=middle_layers(source.manifest.layers))
    return FIGURES[name].make(source, replace(wish, selection=selection))


def _figure_7(source: Source, wish: Wish) -> Figure:
    rows = assignment_share(source, selection=wish.selection, intervals=wish.intervals, choice=["either"])
    return share_bars(rows)


def _figure_9(source: Source, wish: Wish) -> Figure:
    choices = ("either", "first", "second")
    rows = assignment_share(source, selection=wish.selection, intervals=wish.intervals, choice=choices)
    return share_bars(rows, choices=choices, name="figure-9")


def _share_map(source: Source, wish: Wish) -> Figure:
    rows = assignment_share(source, selection=wish.selection, intervals=wish.intervals, choice=["either"])
    return share_map(rows)


def _figure_8(source: Source, wish: Wish) -> Figure:
    if isinstance(source, Accumulators):
        raise TraceError("coloured text wants the rows of a trace, and here are counts only")
    selection, documents = wish.selection, None
    if wish.document is not None:
        documents = _documents(source, wish.document, selection.domains_of(source))
    elif selection.domains is None:
        selection = replace(selection, domains=selection.domains_of(source)[:3])
    return coloured_panels(coloured_texts(source, selection=selection, documents=documents, max_tokens=wish.tokens))


def _documents(source: TraceSource, name: str, domains: tuple[str, ...]) -> list[int]:
    """The numbers of the documents of that name."""
    if not isinstance(source, Named):
        raise TraceError("a trace whose documents have no names: leave the document out")
    found = [each.document for each in source.documents() if each.name == name and each.domain in domains]
    if not found:
        raise TraceError(f"no document {name!r} in this trace: look at the names of its documents")
    return found


def _table_5(source: Source, wish: Wish) -> Figure:
    return repetition_table(repetition(source, selection=wish.selection, intervals=wish.intervals))


def _figure_10(source: Source, wish: Wish) -> Figure:
    return repetition_by_layer(repetition(source, selection=wish.selection, intervals=wish.intervals))


def _distance(source: Source, wish: Wish) -> Figure:
    # The distances are told apart by their nulls, so no intervals are drawn.
    return distance_maps(domain_specialisation(source, selection=wish.selection, measure=["jsd"]))


def _transitions(source: Source, wish: Wish) -> Figure:
    # Counts know the next layer only; rows give any pair of the layers that are shown.
    return transition_maps(transitions(source, selection=wish.selection))


def _load(source: Source, wish: Wish) -> Figure:
    measure = ("max-violation",)
    rows = load(source, selection=wish.selection, intervals=wish.intervals, measure=measure)
    return load_by_layer(rows, together=load(source, selection=wish.selection, measure=measure, by="all"))


FIGURES = {
    "figure-7": Kind(make=_figure_7, meaning="shares of the experts by domain, as bars", few_layers=True),
    "figure-8": Kind(make=_figure_8, meaning="texts in the colours of the experts that read them", few_layers=True),
    "figure-9": Kind(make=_figure_9, meaning="shares by first, second and either choice", few_layers=True),
    "figure-10": Kind(make=_figure_10, meaning="how often neighbours repeat an expert, layer by layer"),
    "table-5": Kind(make=_table_5, meaning="how often neighbours repeat an expert, by domain", few_layers=True),
    "share-map": Kind(make=_share_map, meaning="shares of the experts in all layers at once"),
    "distance": Kind(make=_distance, meaning="how differently domains use the experts", few_layers=True),
    "transitions": Kind(make=_transitions, meaning="from the experts of one layer to those of the next"),
    "load": Kind(make=_load, meaning="how unevenly the experts of each layer are used"),
}
