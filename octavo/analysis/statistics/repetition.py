"""Repetition: how often a token's experts are those of the token some positions before (Mixtral of Experts, Table 5).

    first        mean of 1[r(t)(1) = r(t + lag)(1)]           even: 1/E
    either       mean of 1[S(t) ∩ S(t + lag) ≠ ∅]             even: 1 − C(E − k, k) / C(E, k)
    exact        mean of 1[r(t) = r(t + lag)]                 even: (E − k)! / E!
    order-free   mean of 1[S(t) = S(t + lag)]                 even: 1 / C(E, k)

over pairs of tokens of one document. Beside what even routers would give stand two more chances: of two independent
draws from the observed first choices, or from the observed sets (drawn whole, since a token's experts are not
independent), and of the same tokens in another order. Kappa is the part of what chance leaves: (r − p) / (1 − p),
with p the marginal chance (Scott, 1955).
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Num

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.counting import pairs_by_document, repeats_by_document
from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.relations import CHOICES, choice_relations
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import nulls
from octavo.analysis.statistics.counted import ByDocument, Counted, Group, bare, counted, expect_ranks
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.shuffling import ends_by_document, mixed_repeats, shuffled_repeats
from octavo.errors import TraceError

MEASURES = ("rate", "kappa")
RANKED = ("first", "exact")


def repetition(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    choice: Sequence[str] | None = None,
    lag: Sequence[int] = (1,),
    measure: str = "rate",
    by: str = "domain",
) -> list[Row]:
    """Returns a row for each domain, layer, choice and lag; n is the number of pairs.

    ``choice`` is None for first and either. ``measure`` is "rate" or "kappa". Counts that know no pairs at all, as
    those of others, have rows of chances only, with n = 0. Raises TraceError for a choice, measure or lag that is
    not there.
    """
    selection, lags = selection or Selection(), tuple(sorted(set(lag)))
    choices = _choices(source, choice)
    if measure not in MEASURES:
        raise TraceError(f"repetition as {measure!r}: want 'rate' or 'kappa'")
    if isinstance(source, Accumulators) and not source.contents.lags:
        return _chances_alone(source, selection, choices, lags, by)
    if isinstance(source, Accumulators) and (lost := [each for each in lags if each not in source.contents.lags]):
        raise TraceError(f"these counts are without lag {lost[0]}: they have {list(source.contents.lags)}")
    sums: dict[str, ByDocument] = {}
    if not isinstance(source, Accumulators):
        sums = _by_document(source.manifest.coding, selection, lags, intervals, measure)
    found = counted(source, selection=selection, intervals=intervals, contents=bare(lags=lags), by_document=sums)
    return [
        each for group in found.groups(by) for number in lags for each in _rows(found, group, choices, number, measure)
    ]


def _chances_alone(
    source: Accumulators, selection: Selection, choices: tuple[str, ...], lags: tuple[int, ...], by: str
) -> list[Row]:
    """Rows without a value, of counts that know no pairs: the first choices' frequencies still give their chance."""
    found = counted(source, selection=selection, intervals=None, contents=bare(), by_document={})
    uniform, ranked = uniform_chances(found.coding), source.manifest.rank_ordered
    rows = []
    for group in found.groups(by):
        rank_LKE = found.counts.table("rank", group.domains)
        for lag in lags:
            for place, layer in found.places():
                chance = nulls.first_marginal(rank_LKE[place, 0]) if ranked else None
                rows += [
                    row(
                        domain=group.name,
                        layer=layer,
                        choice=choice,
                        lag=lag,
                        value=None,
                        null_uniform=uniform[choice],
                        null_marginal=chance if choice == "first" else None,
                        n=0,
                    )
                    for choice in choices
                ]
    return rows


def marginal_chances(
    end_C: Num[np.ndarray, "C"], coding: RouteCoding, choices: tuple[str, ...] = CHOICES
) -> dict[str, float]:
    """The marginal chance of each choice, from how often each route stood at an end of a pair."""
    return {choice: nulls.related_marginal(end_C, choice_relations(coding, choice)) for choice in choices}


def uniform_chances(coding: RouteCoding) -> dict[str, float]:
    """The chance of each choice when routers choose evenly."""
    E, k = coding.num_experts, coding.k
    return dict(
        zip(CHOICES, (nulls.first(E), nulls.either(E, k), nulls.exact(E, k), nulls.order_free(E, k)), strict=True)
    )


def _choices(source: TraceSource | Accumulators, choice: Sequence[str] | None) -> tuple[str, ...]:
    if choice is None:
        return ("first", "either") if source.manifest.rank_ordered else ("either",)
    if wrong := [each for each in choice if each not in CHOICES]:
        raise TraceError(f"no repetition of {wrong[0]!r}: want {', '.join(CHOICES)}")
    expect_ranks(source.manifest, tuple(choice), RANKED)
    return tuple(choice)


def _by_document(
    coding: RouteCoding, selection: Selection, lags: tuple[int, ...], intervals: Intervals | None, measure: str
) -> dict[str, ByDocument]:
    """The sums by document that are wanted: repeats in each order, and for intervals what was counted."""

    def pairs(chunk: Chunk) -> np.ndarray:
        return np.stack([pairs_by_document(chunk, selection.pair_T(chunk, lag)) for lag in lags], axis=1)

    def repeats(chunk: Chunk) -> np.ndarray:
        each = [repeats_by_document(chunk, selection.pair_T(chunk, lag), lag, coding) for lag in lags]
        return np.stack(each, axis=1)

    def ends(chunk: Chunk) -> np.ndarray:
        each = [ends_by_document(chunk, selection.pair_T(chunk, lag), lag, coding) for lag in lags]
        return np.stack(each, axis=1)

    sums: dict[str, ByDocument] = {}
    if not selection.across_documents:  # there is no order within documents that pairs across them could be drawn from
        sums |= {"shuffled": lambda chunk: shuffled_repeats(chunk, selection, lags, coding)}
    if not coding.fits_a_byte:
        sums |= {"mixed": lambda chunk: mixed_repeats(chunk, selection, lags, coding)}
    if intervals:
        sums |= {"pairs": pairs, "repeats": repeats}
    if intervals and measure == "kappa" and coding.fits_a_byte:
        sums |= {"ends": ends}
    return sums


def _rows(found: Counted, group: Group, choices: tuple[str, ...], lag: int, measure: str) -> list[Row]:
    coding, step = found.coding, found.counts.contents.lags.index(lag)
    pairs = int(found.counts.table("pairs", group.domains)[step])
    repeat_L4 = found.counts.table("repeats", group.domains)[step]
    shuffled = found.total("shuffled", group)
    uniform = uniform_chances(coding)
    replicates = _replicates(found, group, lag, step)
    rows = []
    for place, layer in found.places():
        marginal = _marginal(found, group, step, place)
        for choice in choices:
            at = CHOICES.index(choice)
            value = float(ratio(repeat_L4[place, at], pairs))
            shuffle = None if shuffled is None or not pairs else float(shuffled[step, place, at]) / pairs
            chance, even = marginal.get(choice), uniform[choice]
            replicate_R = None if replicates is None else replicates[:, place, at]
            if measure == "kappa":
                replicate_R = _kappa_replicates(found, group, (step, place), choice, replicate_R)
                value, even = _kappa(value, chance), 0.0
                shuffle, chance = None if shuffle is None else _kappa(shuffle, chance), 0.0
            ends = found.ends(replicate_R)
            rows.append(
                row(
                    domain=group.name,
                    layer=layer,
                    choice=choice,
                    lag=lag,
                    value=value,
                    null_uniform=even,
                    null_marginal=chance,
                    null_shuffle=shuffle,
                    interval=None if ends is None else (float(ends[0]), float(ends[1])),
                    n=pairs,
                )
            )
    return rows


def _marginal(found: Counted, group: Group, step: int, place: int) -> dict[str, float]:
    if found.coding.fits_a_byte:
        return marginal_chances(found.counts.table("repeat_code", group.domains)[step, place], found.coding)
    first_E = found.counts.table("repeat_first", group.domains)[step, place]
    chances = {"first": nulls.first_marginal(first_E)}
    mixed, pairs = found.total("mixed", group), found.counts.table("pairs", group.domains)[step]
    if mixed is not None:
        chances |= {choice: float(ratio(mixed[step, place, CHOICES.index(choice)], pairs)) for choice in CHOICES[1:]}
    return chances


def _replicates(found: Counted, group: Group, lag: int, step: int) -> Float64[np.ndarray, "R L 4"] | None:
    """The rates in each replicate; accumulators have them for neighbours only."""
    repeats, pairs = found.replicates("repeats", group), found.replicates("pairs", group)
    if repeats is None or pairs is None:
        return None
    if repeats.ndim == 3:
        return ratio(repeats, pairs[:, None, None]) if lag == 1 else None
    return ratio(repeats[:, step], pairs[:, step, None, None])


def _kappa_replicates(
    found: Counted, group: Group, at: tuple[int, int], choice: str, rate_R: Float64[np.ndarray, "R"] | None
) -> Float64[np.ndarray, "R"] | None:
    """Kappa in each replicate, the chance taken from the replicate itself; only rows of a trace can give that."""
    ends = found.replicates("ends", group) if "ends" in found.sums else None
    if ends is None or rate_R is None:
        return None
    relation_CC = choice_relations(found.coding, choice)
    chance_R = np.array([nulls.related_marginal(end_C, relation_CC) for end_C in ends[:, at[0], at[1]]])
    return ratio(rate_R - chance_R, 1 - chance_R)


def _kappa(rate: float, chance: float | None) -> float:
    return np.nan if chance is None or chance == 1 else (rate - chance) / (1 - chance)
