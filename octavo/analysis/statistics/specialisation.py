"""Domain specialisation: whether a domain's tokens go to other experts than another domain's.

    share            N(d, e) / tokens(d)                                     OLMoE, equation 7; even is K/E
    lift             share(d, e) / share(all domains, e)                     1 when the domain is like all
    jsd              Jensen-Shannon divergence of two domains, in bits       0 for the same, 1 for disjoint experts
    jsd-normalised   the same over log2 E − mean entropy                     of what is left when neither is even
    p                share of relabelings of documents with a jsd as large   small where the domains do differ

Documents are what a domain is a sample of, and tokens of one document are alike. So the shuffle null of jsd is its
mean over random relabelings of the documents of both domains, and p counts those that reach it (the observed one
among them).
"""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.counting import ranks_by_document
from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import nulls
from octavo.analysis.statistics.assignment_share import EITHER, choice_counts, choices_of
from octavo.analysis.statistics.counted import Counted, Group, bare, counted
from octavo.analysis.statistics.distances import divergences
from octavo.analysis.statistics.intervals import Intervals, generator, ratio
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

OF_EXPERTS, OF_PAIRS = ("share", "lift"), ("jsd", "jsd-normalised", "p")
MEASURES = (*OF_EXPERTS, *OF_PAIRS)


def domain_specialisation(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    choice: str = EITHER,
    measure: Sequence[str] | None = None,
    relabelings: int = 200,
    seed: int = 0,
) -> list[Row]:
    """Returns rows by measure: of each domain, layer and expert, or of each layer and two domains.

    n is the tokens of the domain, or for two domains their documents, or tokens
    where nobody knows the documents. ``measure`` is None for all that can be had: p
    and the shuffle null want rows, and two documents at least. Ends of intervals of divergences are reflected about the
    figure, since figure and replicates alike are too high when documents are few. Raises TraceError for a choice or
    measure that is not there, and for p where there are counts only.
    """
    selection = selection or Selection()
    measures = _measures(source, measure)
    (choice,) = choices_of(source, (choice,))
    if relabelings < 1:
        raise TraceError(f"{relabelings} relabelings: want 1 or more")
    coding = source.manifest.coding

    def ranks(chunk: Chunk) -> np.ndarray:
        return ranks_by_document(chunk, selection.token_T(chunk), coding)

    found = counted(source, selection=selection, intervals=intervals, contents=bare(), by_document={"rank": ranks})
    rows: list[Row] = []
    if set(measures) & set(OF_EXPERTS):
        rows += [each for group in found.groups("domain") for each in _of_experts(found, group, choice, measures)]
    if set(measures) & set(OF_PAIRS):
        for pair in itertools.combinations(found.groups("domain"), 2):
            rows += _of_pairs(found, pair, choice, measures, (relabelings, seed))
    return rows


def _measures(source: TraceSource | Accumulators, measure: Sequence[str] | None) -> tuple[str, ...]:
    counts_only = isinstance(source, Accumulators)
    if measure is None:
        return MEASURES[:-1] if counts_only else MEASURES
    if wrong := [each for each in measure if each not in MEASURES]:
        raise TraceError(f"no specialisation as {wrong[0]!r}: want {', '.join(MEASURES)}")
    if counts_only and "p" in measure:
        raise TraceError("p relabels documents, and here are counts only: trace the text anew and keep the rows")
    return tuple(measure)


def _of_experts(found: Counted, group: Group, choice: str, measures: tuple[str, ...]) -> list[Row]:
    k, E = found.coding.k, found.coding.num_experts
    (everything,) = found.groups("all")
    tokens, all_tokens = (int(found.counts.table("tokens", each.domains)) for each in (group, everything))
    here, anywhere = (
        choice_counts(found.counts.table("rank", each.domains), choice, k) for each in (group, everything)
    )
    replicates, weights = found.replicates("rank", group), None
    if replicates is not None:
        replicates = choice_counts(replicates, choice, k)
        weights = replicates.sum(axis=-1, keepdims=True) / (k if choice == EITHER else 1)
    even = nulls.share_of_tokens(E, k if choice == EITHER else 1)
    rows = []
    for place, layer in found.places():
        share_E, all_E = ratio(here[place], tokens), ratio(anywhere[place], all_tokens)
        ends = None
        if replicates is not None and weights is not None:
            ends = found.ends(ratio(replicates[:, place], weights[:, place]))
        for measure in (each for each in measures if each in OF_EXPERTS):
            unit_E = np.ones(E) if measure == "share" else all_E
            value_E = ratio(share_E, unit_E)
            ends_2E = None if ends is None else ratio(ends, unit_E)
            rows += [
                row(
                    **_keys(measure, (group.name, None), layer=layer, choice=choice, expert=expert),
                    value=value_E[expert],
                    null_uniform=even if measure == "share" else 1.0,
                    null_marginal=all_E[expert] if measure == "share" else None,
                    interval=None if ends_2E is None else (ends_2E[0, expert], ends_2E[1, expert]),
                    n=tokens,
                )
                for expert in range(E)
            ]
    return rows


def _of_pairs(
    found: Counted, pair: tuple[Group, Group], choice: str, measures: tuple[str, ...], drawing: tuple[int, int]
) -> list[Row]:
    k = found.coding.k
    one, other = (choice_counts(found.counts.table("rank", each.domains), choice, k) for each in pair)
    documents, tokens = (
        sum(int(found.counts.table(name, each.domains)) for each in pair) for name in ("documents", "tokens")
    )
    documents = documents or tokens  # counts of others may not say how many documents they are of
    value_L = dict(zip(OF_PAIRS, divergences(one, other), strict=False))
    shuffled = relabeled(found, pair, choice, drawing) if "rank" in found.sums else None
    ends = _ends(found, pair, choice)
    rows = []
    for place, layer in found.places():
        for measure in (each for each in measures if each in OF_PAIRS):
            keys = _keys(measure, (pair[0].name, pair[1].name), layer=layer, choice=choice, expert=None)
            if measure == "p":
                value = None if shuffled is None else _p(shuffled[0][:, place], value_L["jsd"][place])
                rows.append(row(**keys, value=value, n=documents))
                continue
            value = float(value_L[measure][place])
            shuffle = None if shuffled is None else float(shuffled[OF_PAIRS.index(measure)][:, place].mean())
            interval = None
            if ends is not None:
                lo, hi = (float(each) for each in ends[OF_PAIRS.index(measure)][:, place])
                interval = max(0.0, min(value, 2 * value - hi)), max(value, 2 * value - lo)
            rows.append(
                row(**keys, value=value, null_uniform=0.0, null_shuffle=shuffle, interval=interval, n=documents)
            )
    return rows


def _keys(measure: str, domains: tuple[str | None, str | None], **place: Any) -> dict[str, Any]:
    return {"measure": measure, "domain": domains[0], "other": domains[1], **place}


def relabeled(
    found: Counted, pair: tuple[Group, Group], choice: str, drawing: tuple[int, int]
) -> tuple[Float64[np.ndarray, "R L"], Float64[np.ndarray, "R L"]] | None:
    """Both divergences when documents of two domains change their labels at random, as many having each as before."""
    sums, (relabelings, seed) = found.sums["rank"], drawing
    sizes = [len(sums.of(each.domains[0])) for each in pair]
    if min(sizes) < 2:
        return None
    stacked = np.concatenate([sums.of(each.domains[0]) for each in pair]).reshape(-1, *found.widths["rank"])
    count_SLE = choice_counts(stacked, choice, found.coding.k).astype(np.float64)
    rng = generator(seed, "/".join(str(each.name) for each in pair))
    mine_RS = np.zeros((relabelings, sum(sizes)))
    for mine_S in mine_RS:
        mine_S[rng.permutation(sum(sizes))[: sizes[0]]] = 1
    here = (mine_RS @ count_SLE.reshape(sum(sizes), -1)).reshape(relabelings, *count_SLE.shape[1:])
    there = count_SLE.sum(axis=0) - here
    return divergences(here, there)


def _ends(found: Counted, pair: tuple[Group, Group], choice: str) -> list[np.ndarray] | None:
    """The quantiles of both divergences over replicates, which draw the two domains apart from each other."""
    replicates = [found.replicates("rank", each) for each in pair]
    if replicates[0] is None or replicates[1] is None:
        return None
    one, other = (choice_counts(each, choice, found.coding.k) for each in replicates if each is not None)
    ends = [found.ends(distance) for distance in divergences(one, other)]
    return [each for each in ends if each is not None]


def _p(shuffled_R: Float64[np.ndarray, "R"], observed: float) -> float:
    """The share of relabelings that reach what was observed, the observed labels among them."""
    reached = int((shuffled_R >= observed - 1e-12).sum())
    return (1 + reached) / (1 + len(shuffled_R))
