"""The figures that come from counts alone: shares, repetition, distances, transitions, placement, as a page holds them.

Letters as everywhere: D domains (the last is all of them together, where there are several), L layers, E experts.
Each array is one of a statistic's columns; where nothing was counted it is NaN.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.relations import CHOICES
from octavo.analysis.report.pivot import pivot, pivot_or_none, where
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.assignment_share import assignment_share
from octavo.analysis.statistics.information import mutual_information
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row
from octavo.analysis.statistics.transitions import transitions

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
    shuffled: Mapping[str, Float64[np.ndarray, "L 4"]],
    *,
    selection: Selection,
    intervals: Intervals | None,
) -> dict[str, Any]:
    """Repetition at lag 1 by choice: ``value``, ``lo``, ``hi``, chances and ``n`` [D, L].

    ``shuffled`` gives how many pairs of each domain would repeat, in the order of CHOICES, had its tokens stood in
    another order, which counts without documents cannot tell; it is empty then.
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
                "shuffle": _shuffled_DL(counts, shuffled, CHOICES.index(choice)),
                "n": np.nan_to_num(pivot(some, "n", axes)).astype(np.int64),
                "uniform": some[0]["null_uniform"],
            }
    return found


def _shuffled_DL(
    counts: Accumulators, shuffled: Mapping[str, Float64[np.ndarray, "L 4"]], at: int
) -> Float64[np.ndarray, "D L"] | None:
    """The chance of each domain, and over all of them, from the repeats that other orders would give."""
    if not shuffled:
        return None
    groups = [(domain,) for domain in counts.domains] + [counts.domains] * (len(counts.domains) > 1)
    repeats_DL = np.array([sum(shuffled[domain][:, at] for domain in group) for group in groups])
    pairs_D1 = np.array([[int(counts.table("pairs", group)[0])] for group in groups])
    return ratio(repeats_DL, pairs_D1)


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
