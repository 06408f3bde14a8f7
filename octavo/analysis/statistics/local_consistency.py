"""Local consistency: how few experts would do for m tokens in a row (arXiv 2505.16056).

    SRP(m)     the best F1 of a router for whole segments: f_e of the m tokens of a segment chose expert e, and the
               segment is given the experts with f_e ≥ α:   F1 = 2 Σ_{f ≥ α} f / (m · #{f ≥ α} + Σ f), the best α
    SCH(m, ρ)  the hit rate of a cache of ρ k experts that keeps those used most within the next m tokens
    SCH in a window   the share of a segment's choices that fall on its ρ k most used experts (what their script counts)

Segments are all runs of m tokens inside a document, one beginning at each token. Chance alone is far from 0: evenly
routed tokens have f_e ~ Binomial(m, k/E), which gives SRP .565, .452 and .409 for m = 4, 16 and 64 with 2 of 8 experts.
"""

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.eviction import asked_S, simulated_hits_GSC
from octavo.analysis.statistics.intervals import DocumentSums, Intervals, interval_of, ratio
from octavo.analysis.statistics.ratios import group_of, name_of
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.streams import streams
from octavo.errors import TraceError

FEW = 16  # experts: as many rows are sorted by comparing whole rows


def local_consistency(
    source: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    lengths: Sequence[int] = (4, 16, 64),
    factors: Sequence[float] = (1.0, 1.5, 2.0),
    cached: bool = False,
    by: str = "domain",
) -> list[Row]:
    """Rows by domain, layer, measure ("srp", "sch-window", and with ``cached`` "sch"), length m and factor ρ.

    ``n`` counts the choices of all segments (of all tokens for "sch"). Nulls of SRP are exact for independent tokens,
    with even routers and with the observed frequencies of each expert. Documents shorter than m have no segment.
    Raises TraceError for a length below 1 and a factor that leaves no expert or more than all.
    """
    selection, coding = selection or Selection(), source.manifest.coding
    layers = selection.layers_of(source.manifest)
    slots = tuple(_slots(factor, coding.k, coding.num_experts) for factor in factors)
    if any(length < 1 for length in lengths):
        raise TraceError(f"segments of {min(lengths)} tokens: want 1 or more")
    rows = []
    for length in lengths:
        found = {name: DocumentSums() for name in ("srp", "sch-window", "sch")}
        used: dict[str, Int64[np.ndarray, "L E"]] = {}
        for chunk in selection.chunks(source):
            keep_T = selection.token_T(chunk)
            group = group_of(chunk.domain, by)
            used[group] = used.get(group, 0) + _used_LE(chunk, keep_T, coding.num_experts)
            often_SLF, covered_SLC = _segments(chunk, keep_T, length, slots=slots, num_experts=coding.num_experts)
            found["srp"].add(group, often_SLF.reshape(len(often_SLF), -1))
            found["sch-window"].add(group, covered_SLC.reshape(len(covered_SLC), -1))
        if cached:
            _play(source, selection, length, by=by, slots=slots, into=found["sch"])
        for domain, used_LE in used.items():
            chance_L = [srp_of_chance(used_E, length, coding.k) for used_E in used_LE]
            keys: dict[str, Any] = {"domain": domain, "measure": "srp", "length": length, "factor": None}
            even = srp_of_chance(np.ones(coding.num_experts, np.int64), length, coding.k)
            rows += _srp_rows(found["srp"], keys, layers, intervals, even=even, chance_L=chance_L)
            for name in ("sch-window", "sch") if cached else ("sch-window",):
                keys = {"domain": domain, "measure": name, "length": length}
                rows += _sch_rows(found[name], keys, layers, intervals, factors=factors)
    return rows


def best_f1(often_XF: Float64[np.ndarray, "*X F"]) -> Float64[np.ndarray, "*X"]:
    """The best F1 over thresholds, from how many (segment, expert) pairs have f = 0, 1, ..., m; NaN without any."""
    length = often_XF.shape[-1] - 1
    f_F = np.arange(length + 1)
    all_X = (often_XF * f_F).sum(axis=-1, keepdims=True)
    right_XF = np.cumsum((often_XF * f_F)[..., :0:-1], axis=-1)
    told_XF = np.cumsum(often_XF[..., :0:-1], axis=-1) * length
    return np.asarray(ratio(2 * right_XF, told_XF + all_X).max(axis=-1))


def srp_of_chance(used_E: Int64[np.ndarray, "E"], length: int, k: int) -> float:
    """SRP of independent tokens that choose expert e with the frequency k · used_e / Σ used: f_e is binomial."""
    if not used_E.sum():
        return math.nan
    chance_E = np.clip(k * used_E / used_E.sum(), 0.0, 1.0)
    return float(best_f1(np.sum([_binomial(length, float(each)) for each in chance_E], axis=0)))


@functools.lru_cache(maxsize=4096)
def _binomial(length: int, chance: float) -> Float64[np.ndarray, "F"]:
    f_F = np.arange(length + 1)
    if chance in (0.0, 1.0):
        return np.asarray(f_F == round(length * chance), np.float64)
    ways = np.array([math.lgamma(length + 1) - math.lgamma(f + 1) - math.lgamma(length - f + 1) for f in f_F.tolist()])
    return np.asarray(np.exp(ways + f_F * math.log(chance) + (length - f_F) * math.log1p(-chance)))


def _segments(
    chunk: Chunk, keep_T: Bool[np.ndarray, "T"], length: int, *, slots: tuple[int, ...], num_experts: int
) -> tuple[Int64[np.ndarray, "S L F"], Int64[np.ndarray, "S L C"]]:
    """By document and layer: how many experts of how many segments have f = 0 ... m, and how many of the choices fall
    on the most used (the last column counts all choices)."""
    num_documents, (num_layers, _, k) = len(chunk.document_S), chunk.expert_LTK.shape
    place_N = chunk.place_T[keep_T]
    inside_N = place_N[length - 1 :] == place_N[: max(0, len(place_N) - length + 1)]
    document_N = place_N[: len(inside_N)][inside_N]
    ends_S1 = np.append(0, np.cumsum(np.bincount(document_N, minlength=num_documents)))
    often_SLF = np.zeros((num_documents, num_layers, length + 1), np.int64)
    covered_SLC = np.zeros((num_documents, num_layers, len(slots) + 1), np.int64)
    covered_SLC[:, :, -1] = (np.diff(ends_S1) * length * k)[:, None]
    for layer, expert_TK in enumerate(chunk.expert_LTK):
        f_EN = _uses_EN(expert_TK[keep_T], length, num_experts)[:, inside_N]
        for f_N in f_EN:
            counted = np.bincount(document_N * (length + 1) + f_N, minlength=num_documents * (length + 1))
            often_SLF[:, layer] += counted.reshape(num_documents, length + 1)
        most_EN = _descending(f_EN)
        for column, slot in enumerate(slots):
            summed_N1 = np.append(0, np.cumsum(most_EN[:slot].sum(axis=0, dtype=np.int64)))
            covered_SLC[:, layer, column] = np.diff(summed_N1[ends_S1])
    return often_SLF, covered_SLC


def _uses_EN(chosen_NK: Integer[np.ndarray, "N K"], length: int, num_experts: int) -> Integer[np.ndarray, "E N1"]:
    """How often each expert is chosen in the ``length`` tokens from each one on, in the narrowest type for it."""
    summed_EN = np.zeros((num_experts, len(chosen_NK) + 1), np.int32)
    for expert_N in chosen_NK.T:
        summed_EN[expert_N, np.arange(1, len(chosen_NK) + 1)] += 1
    np.cumsum(summed_EN, axis=1, out=summed_EN)
    many = max(0, len(chosen_NK) - length + 1)
    narrow = np.min_scalar_type(length)
    return (summed_EN[:, length : length + many] - summed_EN[:, :many]).astype(narrow)


def _descending(f_EN: Integer[np.ndarray, "E N"]) -> Integer[np.ndarray, "E N"]:
    """Each column with its greatest first."""
    if len(f_EN) > FEW:
        return np.sort(f_EN, axis=0)[::-1]
    # Odd and even neighbours in turn, as often as there are rows, sort any column; and compare millions at a time.
    sorted_EN = f_EN.copy()
    for turn in range(len(f_EN)):
        for upper in range(turn % 2, len(f_EN) - 1, 2):
            above, below = sorted_EN[upper], sorted_EN[upper + 1]
            sorted_EN[upper], sorted_EN[upper + 1] = np.maximum(above, below), np.minimum(above, below)
    return sorted_EN


def _play(
    source: TraceSource, selection: Selection, length: int, *, by: str, slots: tuple[int, ...], into: DocumentSums
) -> None:
    for chunk, stream in streams(source, selection):
        hits_SGC = simulated_hits_GSC(stream, "window", slots, window=length).transpose(1, 0, 2)
        asked_SG1 = np.broadcast_to(asked_S(stream)[:, None, None], (*hits_SGC.shape[:2], 1))
        into.add(group_of(chunk.domain, by), np.concatenate([hits_SGC, asked_SG1], axis=2).reshape(len(hits_SGC), -1))


def _used_LE(chunk: Chunk, keep_T: Bool[np.ndarray, "T"], num_experts: int) -> Int64[np.ndarray, "L E"]:
    used = [np.bincount(expert_TK[keep_T].reshape(-1), minlength=num_experts) for expert_TK in chunk.expert_LTK]
    return np.stack(used)


def _srp_rows(
    found: DocumentSums,
    keys: dict[str, Any],
    layers: tuple[int, ...],
    intervals: Intervals | None,
    *,
    even: float,
    chance_L: Sequence[float],
) -> list[Row]:
    often_LF = found.of(keys["domain"]).sum(axis=0).reshape(len(layers), -1)
    length = often_LF.shape[1] - 1
    ends_2L = interval_of(
        found, keys["domain"], intervals, lambda sums_RX: best_f1(sums_RX.reshape(len(sums_RX), len(layers), -1))
    )
    return [
        row(
            **_named(keys, layer),
            value=float(best_f1(often_LF[place].astype(np.float64))),
            n=int((often_LF[place] * np.arange(length + 1)).sum()),
            null_uniform=even,
            null_marginal=chance_L[place],
            interval=None if ends_2L is None else (float(ends_2L[0, place]), float(ends_2L[1, place])),
        )
        for place, layer in enumerate(layers)
    ]


def _sch_rows(
    found: DocumentSums,
    keys: dict[str, Any],
    layers: tuple[int, ...],
    intervals: Intervals | None,
    *,
    factors: Sequence[float],
) -> list[Row]:
    shape = (-1, len(layers), len(factors) + 1)

    def rates(sums_RX: Float64[np.ndarray, "R X"]) -> Float64[np.ndarray, "R L C"]:
        sums_RLC = sums_RX.reshape(shape)
        return ratio(sums_RLC[..., :-1], sums_RLC[..., -1:] + np.zeros(len(factors)))

    sums_X = found.of(keys["domain"]).sum(axis=0)
    value_LC, asked_L = rates(sums_X[None].astype(np.float64))[0], sums_X.reshape(shape)[0, :, -1]
    ends = interval_of(found, keys["domain"], intervals, rates)
    return [
        row(
            **_named(keys, layer),
            factor=factor,
            value=float(value_LC[place, column]),
            n=int(asked_L[place]),
            interval=None if ends is None else (float(ends[0, place, column]), float(ends[1, place, column])),
        )
        for place, layer in enumerate(layers)
        for column, factor in enumerate(factors)
    ]


def _named(keys: dict[str, Any], layer: int) -> dict[str, Any]:
    rest = {name: each for name, each in keys.items() if name != "domain"}
    return {"domain": name_of(keys["domain"]), "layer": layer, **rest}


def _slots(factor: float, k: int, num_experts: int) -> int:
    slots = math.floor(factor * k + 1e-9)
    if not k <= slots <= num_experts:
        raise TraceError(
            f"a cache of {factor} times the {k} experts of a token: want from {k} to {num_experts} experts"
        )
    return slots
