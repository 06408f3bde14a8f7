"""Transitions: how the expert of one layer goes with the expert of another, for the same token.

    P(e' | e) = N(e in layer l, e' in layer l') / N(e in layer l)
    pairs "first"      first choice with first choice
          "all"        each of the k choices with each of the k choices: k² pairs a token
          "same-rank"  rank r with rank r only: k pairs a token, what OLMoE's script counts (it zips flattened ids)

Numbers of experts mean nothing across layers: a transition from 3 to 3 is no repetition.
"""

import functools
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float64, Int64, Num

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import bare, counted, expect_ranks
from octavo.analysis.statistics.intervals import DocumentSums, Intervals, interval_of, ratio
from octavo.analysis.statistics.ratios import ALL, group_of, name_of
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

PAIRS = ("first", "all", "same-rank")
BLOCK = 1 << 16  # tokens counted at a time: their routes stay in the processor's cache


def transitions(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    pairs: str = "first",
    steps: int | Sequence[tuple[int, int]] = 1,
    compat: str | None = None,
    by: str = "domain",
) -> list[Row]:
    """P(next_expert | expert), by domain, layer, next_layer, expert and next_expert; ``n`` counts what P is a share of.

    ``steps`` is how many MoE layers further the next layer is, or a list of pairs of layers, such as
    ``[(0, 7), (7, 15)]``. The marginal null is how often the next layer chooses the expert at all.
    ``compat="olmoe-code"`` is ``pairs="same-rank"``. Counts in place of
    rows give no intervals. Raises TraceError for layers that the trace does not have.
    """
    if compat not in (None, "olmoe-code"):
        raise TraceError(f"no convention {compat!r} for transitions: want 'olmoe-code', or none")
    pairs = "same-rank" if compat else pairs
    expect_ranks(source.manifest, (pairs,), ("first", "same-rank"))
    if pairs not in PAIRS:
        raise TraceError(f"no pairs {pairs!r}: want one of {', '.join(PAIRS)}")
    layers, num_experts = (selection or Selection()).layers_of(source.manifest), source.manifest.num_experts
    ways = layer_pairs(layers, steps)
    if isinstance(source, Accumulators):
        if steps != 1:
            raise TraceError("counts without rows know the next layer only: take one step, or keep the rows")
        tables = _accumulated(source, selection or source.selection, pairs, by)
        return [
            each
            for domain, count_WEE in tables.items()
            for each in _rows(domain, layers, ways, count_WEE=count_WEE, ends_2WEE=None, pairs=pairs)
        ]
    selection, found, rows = selection or Selection(), DocumentSums(), []
    for chunk in selection.chunks(source):
        group_T, num_groups = (None, 1) if intervals is None else (chunk.place_T, len(chunk.document_S))
        count_GWEE = counts_GWEE(
            chunk, selection.token_T(chunk), group_T, ways, num_groups=num_groups, num_experts=num_experts, pairs=pairs
        )
        found.add(group_of(chunk.domain, by), count_GWEE.reshape(num_groups, -1))
    for domain in found.parts:
        count_WEE = found.of(domain).sum(axis=0).reshape(len(ways), num_experts, num_experts)
        ends = interval_of(found, domain, intervals, functools.partial(_shares_RWEE, num_experts=num_experts))
        rows += _rows(domain, layers, ways, count_WEE=count_WEE, ends_2WEE=ends, pairs=pairs)
    return rows


def layer_pairs(layers: tuple[int, ...], steps: int | Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The places, among ``layers``, of the two layers of each pair."""
    if isinstance(steps, int):
        if not 1 <= steps < max(len(layers), 2):
            raise TraceError(f"{steps} layers further: want from 1 to {max(len(layers) - 1, 1)} in this trace")
        return [(place, place + steps) for place in range(len(layers) - steps)]
    for left, right in steps:
        if left not in layers or right not in layers or left == right:
            raise TraceError(f"no pair of the layers {left} and {right}: want two of {', '.join(map(str, layers))}")
    return [(layers.index(left), layers.index(right)) for left, right in steps]


def counts_GWEE(
    chunk: Chunk,
    keep_T: Bool[np.ndarray, "T"],
    group_T: Int64[np.ndarray, "T"] | None,
    ways: Sequence[tuple[int, int]],
    *,
    num_groups: int,
    num_experts: int,
    pairs: str,
) -> Int64[np.ndarray, "G W E E"]:
    """How often each expert goes with each, for each pair of layers, in each group of tokens (or in one for all)."""
    cells = num_experts * num_experts
    narrow = np.uint8 if cells <= 256 else np.uint16 if cells <= 1 << 16 else np.uint32
    found_WX = np.zeros((len(ways), num_groups * cells), np.int64)
    for start in range(0, chunk.num_tokens, BLOCK):
        kept = slice(start, start + BLOCK)
        # Ranks first, so that one rank of one layer is contiguous.
        rank_KLT = np.ascontiguousarray(chunk.expert_LTK[:, kept][:, keep_T[kept]].transpose(2, 0, 1).astype(narrow))
        scaled_KLT = rank_KLT * narrow(num_experts)
        offset_T = None if group_T is None else group_T[kept][keep_T[kept]] * cells
        for way, (left, right) in enumerate(ways):
            for one, other in _ranks(pairs, len(rank_KLT)):
                cell_T = scaled_KLT[one, left] + rank_KLT[other, right]
                found_WX[way] += np.bincount(
                    cell_T if offset_T is None else offset_T + cell_T, minlength=num_groups * cells
                )
    return found_WX.reshape(len(ways), num_groups, num_experts, num_experts).swapaxes(0, 1)


def _ranks(pairs: str, k: int) -> list[tuple[int, int]]:
    if pairs == "first":
        return [(0, 0)]
    return [(one, other) for one in range(k) for other in range(k) if pairs == "all" or one == other]


def _accumulated(
    source: Accumulators, selection: Selection, pairs: str, by: str
) -> dict[str, Int64[np.ndarray, "W E E"]]:
    """From the routes of neighbouring layers to pairs of experts."""
    counts = counted(source, selection=selection, intervals=None, contents=bare(), by_document={})
    places = [place for place, _ in counts.places()]
    if places != list(range(places[0], places[0] + len(places))):
        raise TraceError("counts of neighbouring layers only: choose layers that follow each other, or keep the rows")
    expert_CK, num_experts = source.coding.expert_CK(), source.coding.num_experts
    found = {}
    for group in counts.groups(by):
        code_WCC = source.table("layer_pair", group.domains)[places[0] : places[-1]]
        count_WEE = np.zeros((len(code_WCC), num_experts, num_experts), np.int64)
        for one, other in _ranks(pairs, source.coding.k):
            at_EC = (np.arange(num_experts)[:, None] == expert_CK[:, one]).astype(np.int64)
            to_CE = (expert_CK[:, other, None] == np.arange(num_experts)).astype(np.int64)
            count_WEE += at_EC @ code_WCC @ to_CE
        found[group.name or ALL] = count_WEE
    return found


def _rows(
    domain: str,
    layers: tuple[int, ...],
    ways: Sequence[tuple[int, int]],
    *,
    count_WEE: Int64[np.ndarray, "W E E"],
    ends_2WEE: Float64[np.ndarray, "2 W E E"] | None,
    pairs: str,
) -> list[Row]:
    num_experts, rows = count_WEE.shape[-1], []
    share_WEE = _shares(count_WEE.astype(np.float64))
    for way, (left, right) in enumerate(ways):
        n_E, arrives_E = count_WEE[way].sum(axis=1), count_WEE[way].sum(axis=0)
        chance_E = ratio(arrives_E, np.full(num_experts, arrives_E.sum()))
        for expert in range(num_experts):
            for after in range(num_experts):
                cell = (way, expert, after)
                ends = None if ends_2WEE is None else (float(ends_2WEE[(0, *cell)]), float(ends_2WEE[(1, *cell)]))
                rows.append(
                    row(
                        domain=name_of(domain),
                        layer=layers[left],
                        next_layer=layers[right],
                        expert=expert,
                        next_expert=after,
                        pairs=pairs,
                        value=float(share_WEE[cell]),
                        n=int(n_E[expert]),
                        null_uniform=1 / num_experts,
                        null_marginal=float(chance_E[after]),
                        interval=ends,
                    )
                )
    return rows


def _shares_RWEE(sums_RX: Float64[np.ndarray, "R X"], num_experts: int) -> Float64[np.ndarray, "R W E E"]:
    return _shares(sums_RX.reshape(len(sums_RX), -1, num_experts, num_experts))


def _shares(count: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X E"]:
    total = np.broadcast_to(count.sum(axis=-1, keepdims=True), count.shape)
    return ratio(count, total)
