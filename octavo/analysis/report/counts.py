"""The figures that come from counts alone: shares, repetition, distances, transitions, placement, as a page holds them.

Letters as everywhere: D domains (the last is all of them together, where there are several), L layers, E experts.
Each array is one of a statistic's columns; where nothing was counted it is NaN.
"""

import itertools
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.relations import CHOICES
from octavo.analysis.report.pivot import pivot, pivot_or_none, where
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.assignment_share import assignment_share
from octavo.analysis.statistics.counted import Counted
from octavo.analysis.statistics.information import mutual_information
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.load import load
from octavo.analysis.statistics.placement import PLANS, placement
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row
from octavo.analysis.statistics.specialisation import domain_specialisation, relabeled
from octavo.analysis.statistics.transitions import transitions

RELABELINGS = 100
DEVICES = (2, 4)
SHARES = ("first", "second", "either")
PAIRINGS = ("first", "either")


def domain_axis(domains: Sequence[str]) -> list[str | None]:
    """The names of D; None, the domain of rows over all of them, is left out where there is one domain only."""
    return [*domains, None] if len(domains) > 1 else list(domains)


def share_figures(counts: Accumulators, *, selection: Selection, intervals: Intervals | None) -> dict[str, Any]:
    """Shares of assignments by choice: ``value``, ``lo`` and ``hi`` [D, L, E]."""
    rows = _both(assignment_share, counts, selection=selection, intervals=intervals)
    experts = range(counts.coding.num_experts)
    axes = {"domain": domain_axis(counts.domains), "layer": counts.layers, "expert": experts}
    found = {}
    for choice in SHARES:
        if some := where(rows, choice=choice):
            ends = {end: pivot_or_none(some, end, axes) for end in ("lo", "hi")}
            found[choice] = {"value": pivot(some, "value", axes), **ends}
    return found


def repetition_figures(
    counts: Accumulators,
    by_document: Counted | None,
    *,
    selection: Selection,
    intervals: Intervals | None,
) -> dict[str, Any]:
    """Repetition at lag 1 by choice: ``value``, ``lo``, ``hi``, chances and ``n`` [D, L].

    ``by_document`` holds, under "shuffled", how many pairs of each document would repeat had its tokens stood in
    another order; None where there are counts only.
    """
    if 1 not in counts.contents.lags:
        return {}
    rows = _both(repetition, counts, selection=selection, intervals=intervals)
    axes = {"domain": domain_axis(counts.domains), "layer": counts.layers}
    found = {}
    for choice in PAIRINGS:
        if some := where(rows, choice=choice):
            found[choice] = {
                "value": pivot(some, "value", axes),
                "lo": pivot_or_none(some, "lo", axes),
                "hi": pivot_or_none(some, "hi", axes),
                "marginal": pivot_or_none(some, "null_marginal", axes),
                "shuffle": _shuffled_DL(by_document, CHOICES.index(choice)),
                "n": np.nan_to_num(pivot(some, "n", axes)).astype(np.int64),
                "uniform": some[0]["null_uniform"],
            }
    return found


def _shuffled_DL(found: Counted | None, at: int) -> Float64[np.ndarray, "D L"] | None:
    """The chance of each domain, and over all of them, from the repeats that other orders would give."""
    if found is None:
        return None
    groups = [*found.groups("domain"), *(found.groups("all") if len(found.counts.domains) > 1 else ())]
    repeats_DL = np.array([found.total("shuffled", group)[0, :, at] for group in groups])  # type: ignore[index]
    pairs_D1 = np.array([[int(found.counts.table("pairs", group.domains)[0])] for group in groups])
    return ratio(repeats_DL, pairs_D1)


def distance_figures(counts: Accumulators, by_document: Counted | None, *, selection: Selection) -> dict[str, Any]:
    """Jensen-Shannon divergences of every two domains by choice, in bits [L, D, D], D without all domains together.

    ``shuffle`` is their mean, and ``p`` the share of them that reach the value, when the documents of two domains
    change their labels at random; None where ``by_document`` does not hold the documents' ranks.
    """
    if len(counts.domains) < 2:
        return {}
    choices = ("first", "either") if counts.manifest.rank_ordered else ("either",)
    found = {}
    for choice in choices:
        rows = domain_specialisation(counts, selection=selection, choice=choice, measure=("jsd",))
        axes = {"layer": counts.layers, "domain": counts.domains, "other": counts.domains}
        value_LDD = _mirrored(pivot(rows, "value", axes))
        chances = None if by_document is None else _relabelings(by_document, choice, value_LDD)
        found[choice] = {"value": value_LDD, "shuffle": None, "p": None, **(chances or {})}
    return found


def _relabelings(found: Counted, choice: str, value_LDD: Float64[np.ndarray, "L D D"]) -> dict[str, Any] | None:
    shuffle_LDD, p_LDD = np.full_like(value_LDD, np.nan), np.full_like(value_LDD, np.nan)
    for (one, here), (other, there) in itertools.combinations(enumerate(found.groups("domain")), 2):
        drawn = relabeled(found, (here, there), choice, (RELABELINGS, 0))
        if drawn is not None:
            shuffle_LDD[:, one, other] = drawn[0].mean(axis=0)
            reached_L = (drawn[0] >= value_LDD[:, one, other] - 1e-12).sum(axis=0)
            p_LDD[:, one, other] = (1 + reached_L) / (1 + RELABELINGS)
    if np.isnan(p_LDD).all():
        return None
    return {"shuffle": _mirrored(shuffle_LDD), "p": _mirrored(p_LDD)}


def _mirrored(upper_LDD: Float64[np.ndarray, "L D D"]) -> Float64[np.ndarray, "L D D"]:
    """The table with what stands above its diagonal below it too."""
    return np.where(np.isnan(upper_LDD), upper_LDD.swapaxes(1, 2), upper_LDD)


def placement_figure(counts: Accumulators, *, selection: Selection) -> list[dict[str, Any]]:
    """The busiest device over the mean [D, L], by number of devices and plan."""
    found = []
    for devices in (each for each in DEVICES if counts.coding.num_experts % each == 0):
        rows = _both(placement, counts, selection=selection, gpus=devices)
        axes = {"domain": domain_axis(counts.domains), "layer": counts.layers}
        for plan in PLANS:
            some = where(rows, plan=plan, measure="imbalance")
            found.append({"devices": devices, "way": plan, "value": pivot(some, "value", axes)})
    return found


def load_rows(counts: Accumulators, *, selection: Selection, intervals: Intervals | None) -> list[Row]:
    """The rows of ``load`` that have a layer, by domain and over all domains."""
    return [row for row in _both(load, counts, selection=selection, intervals=intervals) if row["layer"] is not None]


def transition_figure(counts: Accumulators, *, selection: Selection) -> dict[str, Any] | None:
    """First choices of neighbouring layers [L-1, E, E] over all domains; None where they were not counted."""
    if len(counts.layers) < 2 or not counts.has("layer_pair") or not counts.manifest.rank_ordered:
        return None
    experts = range(counts.coding.num_experts)
    axes = {"layer": counts.layers[:-1], "expert": experts, "next_expert": experts}
    count = np.zeros((len(counts.layers) - 1, len(experts), len(experts)))
    for domain in counts.domains:
        rows = transitions(counts, selection=replace(selection, domains=(domain,)))
        count += np.nan_to_num(pivot(rows, "value", axes)) * np.nan_to_num(pivot(rows, "n", axes))
    count = np.rint(count).astype(np.int64)
    information = [mutual_information(count_EE, miller_madow=True) for count_EE in count]
    return {"count": count, "information": np.array(information), "n": int(count[0].sum())}


def _both(statistic: Any, counts: Accumulators, **keywords: Any) -> list[Row]:
    """A statistic's rows for each domain, and over all domains where there are several."""
    rows: list[Row] = statistic(counts, **keywords)
    return rows + (statistic(counts, by="all", **keywords) if len(counts.domains) > 1 else [])
