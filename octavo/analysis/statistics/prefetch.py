"""Prefetch: how many of a layer's experts could have been fetched ahead, guessed from the experts of a layer before it.

    recall@j(l + a) = mean_t |S_t(l + a) ∩ guess_j(r_t(l))| / k

A table counts which experts follow each route of layer l (its code; where routes have none, its first choice), and the
guess is the j that follow most often. The table is learnt on half of the documents and tried on the other half, and the
other way round: tokens of one document are too alike to be on both sides.

The best known guess, the router of layer l + a applied to the hidden state of layer l, is out of a trace's reach: it
holds routes, not hidden states.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Int64

from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.halving import Halving
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.ratios import Ratios, by_document, group_of
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError

Table = Int64[np.ndarray, "2 W R E"]


def prefetch(
    source: TraceSource,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    ahead: Sequence[int] = (1,),
    sizes: Sequence[int] | None = None,
    by: str = "domain",
) -> list[Row]:
    """recall@j by domain, layer (the one guessed), ahead (how many MoE layers before it) and size j.

    ``sizes`` are k, 2 k, 3 k unless given. The uniform null is j/E; the marginal null guesses the j experts that are
    used most, learnt on the same half, so that the rest is what the route tells. ``n`` counts experts wanted. One table
    serves all domains; one layer has no rows. Raises TraceError for a size or a distance that the model does not have.
    """
    selection, coding = selection or Selection(), source.manifest.coding
    layers = selection.layers_of(source.manifest)
    sizes = _sizes(sizes, coding)
    for distance in ahead:
        if not 1 <= distance < max(2, len(layers)):
            raise TraceError(f"{distance} layers ahead: want from 1 to {max(1, len(layers) - 1)} in this trace")
    if len(layers) == 1:
        return []
    ways = [(left, left + distance) for distance in ahead for left in range(len(layers) - distance)]
    table = _learnt(source, selection, ways, coding)
    guesses = [_guess_2WRE(table, size) for size in sizes]
    favourites = [_guess_2WRE(table.sum(axis=2, keepdims=True), size) for size in sizes]
    found, plain, halving = Ratios(), Ratios(), Halving()
    for chunk in selection.chunks(source):
        keep_T, half_T = selection.token_T(chunk), 1 - halving.half_T(chunk)
        known_T = keep_T & (table.sum(axis=(1, 2, 3)) > 0)[half_T]
        for counted, told in ((found, guesses), (plain, favourites)):
            hits_TX = np.stack(
                [_hits_T(chunk, way, place, half_T, guess) for guess in told for place, way in enumerate(ways)], axis=1
            )
            above_SX = by_document(hits_TX * known_T[:, None], chunk.start_S1)
            wanted_S1 = by_document(known_T[:, None] * coding.k, chunk.start_S1)
            counted.add(group_of(chunk.domain, by), above_SX, np.repeat(wanted_S1, above_SX.shape[1], axis=1))
    keys: list[dict[str, Any]] = [
        {"layer": layers[right], "ahead": right - left, "size": size} for size in sizes for left, right in ways
    ]
    uniform = [size / coding.num_experts for size in sizes for _ in ways]
    rows = []
    for domain in found.sums.parts:
        chance = {"null_uniform": uniform, "null_marginal": ratio(*plain.of(domain)).tolist()}
        rows += found.rows(domain, keys, intervals=intervals, nulls=chance)
    return rows


def _learnt(source: TraceSource, selection: Selection, ways: Sequence[tuple[int, int]], coding: RouteCoding) -> Table:
    """How often each expert follows each route, in one half of the documents and in the other."""
    routes = coding.size if coding.fits_a_byte else coding.num_experts
    cells = routes * coding.num_experts
    found_2WX, halving = np.zeros((2, len(ways), cells), np.int64), Halving()
    for chunk in selection.chunks(source):
        keep_T, odd_T = selection.token_T(chunk), halving.half_T(chunk) == 1
        for half, half_T in enumerate((keep_T & ~odd_T, keep_T & odd_T)):
            for place, (left, right) in enumerate(ways):
                route_T = _route_T(chunk, left)[half_T] * coding.num_experts
                for rank in range(coding.k):
                    cell_T = route_T + chunk.expert_LTK[right, half_T, rank]
                    found_2WX[half, place] += np.bincount(cell_T, minlength=cells)
    return found_2WX.reshape(2, len(ways), routes, coding.num_experts)


def _route_T(chunk: Chunk, place: int) -> Int64[np.ndarray, "T"]:
    route_T = chunk.expert_LTK[place, :, 0] if chunk.code_LT is None else chunk.code_LT[place]
    return np.asarray(route_T, np.int64)


def _guess_2WRE(table: Table, size: int) -> Bool[np.ndarray, "2 W R E"]:
    """The experts that follow a route most often; of a route never met, those that follow most often at all."""
    usual = table.sum(axis=2, keepdims=True)
    worth = table * (usual.sum() + 1) + usual
    return np.asarray(np.argsort(np.argsort(-worth, axis=-1, kind="stable"), axis=-1) < size)


def _hits_T(
    chunk: Chunk, way: tuple[int, int], place: int, half_T: Int64[np.ndarray, "T"], guess: Bool[np.ndarray, "2 W R E"]
) -> Int64[np.ndarray, "T"]:
    """How many of its experts each token finds among those guessed."""
    left, right = way
    route_T = _route_T(chunk, left) if guess.shape[2] > 1 else np.zeros(chunk.num_tokens, np.int64)
    told_RE = guess[:, place].reshape(-1)
    row_T = (half_T * guess.shape[2] + route_T) * guess.shape[3]
    return np.asarray(told_RE[row_T[:, None] + chunk.expert_LTK[right]].sum(axis=1))


def _sizes(sizes: Sequence[int] | None, coding: RouteCoding) -> tuple[int, ...]:
    if sizes is None:
        return tuple(each for each in (coding.k, 2 * coding.k, 3 * coding.k) if each <= coding.num_experts)
    for size in sizes:
        if not 1 <= size <= coding.num_experts:
            raise TraceError(f"{size} experts fetched ahead: want from 1 to {coding.num_experts}")
    return tuple(sizes)
