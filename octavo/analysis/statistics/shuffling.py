"""Shuffling: what the same tokens would give in another order within their documents, exactly where routes have codes.

    E[repeats of document d] = pairs(d) · Σ_ab c_a (c_b − [a = b]) related(a, b) / (n (n − 1))

with c the counts of routes among the n tokens of d that count: in a random order any two of them are as likely as any
others to stand at the ends of a pair, whatever the lag. Without codes that holds for first choices; the rest is the
mean of a few orders drawn at random.
"""

import numpy as np
from jaxtyping import Float64, Int64

from octavo.analysis.accumulators.counting import (
    codes_by_document,
    count_some,
    pairs_by_document,
    ranks_by_document,
)
from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.relations import BITS, CHOICES, answers, choice_relations, expert_relations
from octavo.analysis.selection import Selection
from octavo.analysis.statistics import nulls

ORDERS = 4


def shuffled_repeats(
    chunk: Chunk, selection: Selection, lags: tuple[int, ...], coding: RouteCoding
) -> Float64[np.ndarray, "S G L 4"]:
    """The expected repeats of each document, at each lag and in each layer: first, either, exact, order-free."""
    pair_SG = np.stack([pairs_by_document(chunk, selection.pair_T(chunk, lag)) for lag in lags], axis=1)
    if coding.fits_a_byte:
        chance_SL4 = np.nan_to_num(_chances(chunk, selection, coding))
        return np.asarray(chance_SL4[:, None] * pair_SG[:, :, None, None])
    found = np.stack([_drawn(chunk, selection, lag, coding, chunk.place_T) for lag in lags], axis=1)
    first_SLE = ranks_by_document(chunk, selection.token_T(chunk), coding)[:, :, 0]
    same_EE = np.eye(coding.num_experts, dtype=bool)
    chance_LS = np.stack([nulls.shuffled(first_SLE[:, place], same_EE) for place in range(first_SLE.shape[1])])
    found[..., 0] = np.nan_to_num(chance_LS).T[:, None] * pair_SG[:, :, None]
    return found


def ends_by_document(chunk: Chunk, pair_T: np.ndarray, lag: int, coding: RouteCoding) -> Int64[np.ndarray, "S L C"]:
    """How often each route stands at either end of a pair, document by document: that of the earlier token."""
    assert chunk.code_LT is not None, "codes are counted where there are codes"
    start_T, S = chunk.place_T[: max(0, chunk.num_tokens - lag)] * coding.size, len(chunk.document_S)
    tables = [
        count_some(start_T + code_T[:-lag], pair_T, S * coding.size)
        + count_some(start_T + code_T[lag:], pair_T, S * coding.size)
        for code_T in chunk.code_LT
    ]
    return np.stack([table.reshape(S, coding.size) for table in tables], axis=1)


def _chances(chunk: Chunk, selection: Selection, coding: RouteCoding) -> Float64[np.ndarray, "S L 4"]:
    code_SLC = codes_by_document(chunk, selection.token_T(chunk), coding)
    relations = [choice_relations(coding, choice) for choice in CHOICES]
    S, L, C = code_SLC.shape
    flat = code_SLC.reshape(S * L, C)
    return np.stack([nulls.shuffled(flat, relation_CC) for relation_CC in relations], axis=1).reshape(S, L, 4)


def mixed_repeats(
    chunk: Chunk, selection: Selection, lags: tuple[int, ...], coding: RouteCoding
) -> Float64[np.ndarray, "S G L 4"]:
    """The mean repeats of a few random orders of all the chunk's tokens, whatever their documents.

    So the marginal chance is had of sets that have no codes: two tokens drawn from a domain, or from a chunk of it.
    """
    urn_T = np.zeros(chunk.num_tokens, np.int64)
    return np.stack([_drawn(chunk, selection, lag, coding, urn_T) for lag in lags], axis=1)


def _drawn(
    chunk: Chunk, selection: Selection, lag: int, coding: RouteCoding, urn_T: Int64[np.ndarray, "T"]
) -> Float64[np.ndarray, "S L 4"]:
    """The mean repeats of a few random orders of the tokens that count, each within its urn."""
    keep_T, pair_T, S = selection.token_T(chunk), selection.pair_T(chunk, lag), len(chunk.document_S)
    rows_T = np.flatnonzero(keep_T)
    place_T = chunk.place_T
    # The documents' own numbers seed the draws, so that a trace gives the same null each time.
    rng = np.random.default_rng([lag, *chunk.document_S.tolist()])
    total = np.zeros((S, len(chunk.expert_LTK), 4))
    for _ in range(ORDERS):
        order_T = np.arange(chunk.num_tokens)
        order_T[rows_T] = rows_T[np.lexsort((rng.random(len(rows_T)), urn_T[rows_T]))]
        before_P, after_P = order_T[:-lag][pair_T], order_T[lag:][pair_T]
        for layer, expert_TK in enumerate(chunk.expert_LTK):
            bits_P = expert_relations(expert_TK[before_P], expert_TK[after_P], coding.num_experts)
            number_P = place_T[:-lag][pair_T] * BITS + bits_P
            total[:, layer] += answers(np.bincount(number_P, minlength=S * BITS).reshape(S, BITS))
    return total / ORDERS
