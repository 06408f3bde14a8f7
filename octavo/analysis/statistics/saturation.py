"""Saturation and flips: how far two traces of the same tokens agree, as between checkpoints, engines or number formats.

saturation(l) = mean_t |S_t ∩ S'_t| / k                              (OLMoE, arXiv 2409.02060, equation 5)
flip rate(l)  = 1 − mean_t 1[S_t = S'_t];   in any layer: 1 − mean_t 1[S_t = S'_t in every layer]
"""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Integer

from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import nulls
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.ratios import Ratios, by_document, group_of
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError

CHOICES = ("first", "set")


def saturation(
    source: TraceSource,
    other: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    compat: str | None = None,
    by: str = "domain",
) -> list[Row]:
    """How much of its experts a token keeps from ``source`` to ``other``, by domain, layer and choice.

    ``choice`` is "first" (the first choice is the same; left out where a trace does not know it) or "set" (the share of
    the k experts that are the same). The
    marginal null takes two independent tokens' choices with the frequencies of each trace. ``compat="olmoe"`` counts
    every token, control tokens and the beginning of the text too, as OLMoE's script does. Raises TraceError where the
    traces are not of the same tokens, or of models with other experts or layers.
    """
    selection = _selection(selection, compat)
    coding, layers = _agreed(source, other, selection)
    found, use_first, use_set = Ratios(), _Use(len(layers), coding), _Use(len(layers), coding)
    for ours, theirs in _together(source, other, selection):
        keep_T = selection.token_T(ours) & selection.token_T(theirs)
        kept_S1 = by_document(keep_T[:, None], ours.start_S1)
        first_LT = ours.expert_LTK[:, :, 0] == theirs.expert_LTK[:, :, 0]
        overlap_LT = _overlap_LT(ours, theirs, coding) / coding.k
        above_TX = np.concatenate([first_LT, overlap_LT]).T * keep_T[:, None]
        found.add(
            group_of(ours.domain, by),
            by_document(above_TX, ours.start_S1),
            np.repeat(kept_S1, above_TX.shape[1], axis=1),
        )
        use_first.add(group_of(ours.domain, by), ours, theirs, keep_T, ranks=1)
        use_set.add(group_of(ours.domain, by), ours, theirs, keep_T, ranks=coding.k)
    keys: list[dict[str, Any]] = [{"layer": layer, "choice": choice} for choice in CHOICES for layer in layers]
    uniform = [nulls.first(coding.num_experts)] * len(layers)
    uniform += [nulls.share_of_tokens(coding.num_experts, coding.k)] * len(layers)
    rows = []
    for domain in found.sums.parts:
        chance = [*use_first.meeting(domain), *(use_set.meeting(domain) * coding.k)]
        rows += found.rows(domain, keys, intervals=intervals, nulls={"null_uniform": uniform, "null_marginal": chance})
    return _known(rows, source, other)


def flips(
    source: TraceSource,
    other: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    by: str = "domain",
) -> list[Row]:
    """The share of tokens whose route differs between two traces of the same tokens, by domain, layer and choice.

    ``choice`` is "first" (another first choice) or "set" (another set of experts, whatever their order). A layer of
    None is any layer: the token is routed otherwise somewhere. Raises TraceError as ``saturation`` does.
    """
    selection = selection or Selection()
    coding, layers = _agreed(source, other, selection)
    found = Ratios()
    for ours, theirs in _together(source, other, selection):
        keep_T = selection.token_T(ours) & selection.token_T(theirs)
        first_LT = np.asarray(ours.expert_LTK[:, :, 0] != theirs.expert_LTK[:, :, 0])
        set_LT = np.asarray(_overlap_LT(ours, theirs, coding) < coding.k)
        flips_XT = [each for side in (first_LT, set_LT) for each in (side, side.any(axis=0, keepdims=True))]
        above_TX = np.concatenate(flips_XT).T & keep_T[:, None]
        kept_S1 = by_document(keep_T[:, None], ours.start_S1)
        found.add(
            group_of(ours.domain, by),
            by_document(above_TX, ours.start_S1),
            np.repeat(kept_S1, above_TX.shape[1], axis=1),
        )
    keys: list[dict[str, Any]] = [{"layer": layer, "choice": choice} for choice in CHOICES for layer in [*layers, None]]
    same = (1 / coding.num_experts, nulls.order_free(coding.num_experts, coding.k))
    uniform = [1 - each**power for each in same for power in [1] * len(layers) + [len(layers)]]
    rows = []
    for domain in found.sums.parts:
        rows += found.rows(domain, keys, intervals=intervals, nulls={"null_uniform": uniform})
    return _known(rows, source, other)


class _Use:
    """How often each trace uses each expert, by domain and layer."""

    __slots__ = ("_counts", "_shape")

    def __init__(self, num_layers: int, coding: RouteCoding) -> None:
        self._shape = (2, num_layers, coding.num_experts)
        self._counts: dict[str, np.ndarray] = {}

    def add(self, group: str, ours: Chunk, theirs: Chunk, keep_T: Bool[np.ndarray, "T"], *, ranks: int) -> None:
        """Takes the experts of the first ``ranks`` choices."""
        count_2LE = self._counts.setdefault(group, np.zeros(self._shape, np.int64))
        for side, chunk in enumerate((ours, theirs)):
            for layer, expert_TK in enumerate(chunk.expert_LTK):
                used = expert_TK[keep_T, :ranks].reshape(-1)
                count_2LE[side, layer] += np.bincount(used, minlength=self._shape[2])

    def meeting(self, domain: str) -> Float64[np.ndarray, "L"]:
        """The chance that one choice of the one trace and an independent one of the other are the same expert."""
        count_2LE = self._counts[domain].astype(np.float64)
        ours_LE, theirs_LE = count_2LE
        choices_L1 = np.maximum(ours_LE.sum(axis=1, keepdims=True), 1)
        return np.asarray((ours_LE * theirs_LE / choices_L1**2).sum(axis=1))


def _known(rows: list[Row], source: TraceSource, other: TraceSource) -> list[Row]:
    """Without the rows of first choices where nobody knows which of an engine's experts came first."""
    ranked = source.manifest.rank_ordered is True and other.manifest.rank_ordered is True
    return [each for each in rows if ranked or each["choice"] != "first"]


def _selection(selection: Selection | None, compat: str | None) -> Selection:
    if compat not in (None, "olmoe"):
        raise TraceError(f"no convention {compat!r} for saturation: want 'olmoe', or none")
    return replace(selection or Selection(), bos=True, special=True) if compat else selection or Selection()


def _agreed(source: TraceSource, other: TraceSource, selection: Selection) -> tuple[RouteCoding, tuple[int, ...]]:
    ours, theirs = source.manifest, other.manifest
    for name in ("num_experts", "num_experts_per_tok"):
        if getattr(ours, name) != getattr(theirs, name):
            raise TraceError(
                f"traces with {name} {getattr(ours, name)} and {getattr(theirs, name)}: want two of one architecture"
            )
    layers = selection.layers_of(ours)
    if layers != selection.layers_of(theirs):
        raise TraceError(
            f"traces of layers {list(ours.layers)} and {list(theirs.layers)}: want the same, or choose some"
        )
    if selection.domains_of(source) != selection.domains_of(other):
        raise TraceError("two traces of different domains: trace the same texts twice, or choose domains of both")
    return ours.coding, layers


def _together(source: TraceSource, other: TraceSource, selection: Selection) -> Iterator[tuple[Chunk, Chunk]]:
    ours, theirs = selection.chunks(source), selection.chunks(other)
    for left in ours:
        right = next(theirs, None)
        if right is None or left.domain != right.domain or left.num_tokens != right.num_tokens:
            raise TraceError(f"two traces of different texts in domain {left.domain!r}: trace the same texts twice")
        same = np.array_equal(left.start_S1, right.start_S1) and np.array_equal(left.position_T, right.position_T)
        if left.token_T is not None and right.token_T is not None:
            same &= np.array_equal(left.token_T, right.token_T)
        if not same:
            raise TraceError(f"two traces of different tokens in domain {left.domain!r}: trace the same texts twice")
        yield left, right
    if next(theirs, None) is not None:
        raise TraceError("the second trace has more tokens than the first: trace the same texts twice")


def _overlap_LT(ours: Chunk, theirs: Chunk, coding: RouteCoding) -> Integer[np.ndarray, "L T"]:
    """How many experts a token has in both traces."""
    if ours.code_LT is not None and theirs.code_LT is not None:
        member_CE = coding.member_CE().astype(np.uint8)
        overlap_CC = member_CE @ member_CE.T
        return np.asarray(overlap_CC.reshape(-1)[ours.code_LT.astype(np.intp) * coding.size + theirs.code_LT])
    found_LT = np.zeros(ours.expert_LTK.shape[:2], np.uint8)
    for rank in range(coding.k):
        found_LT += (theirs.expert_LTK == ours.expert_LTK[:, :, rank, None]).any(axis=-1)
    return found_LT
