"""What one chunk adds to the tables of its domain."""

import numpy as np
from jaxtyping import Bool, Int64

from octavo.analysis.accumulators import counting
from octavo.analysis.accumulators.confidence import count_confidence
from octavo.analysis.accumulators.contents import Contents
from octavo.analysis.accumulators.poisson import poisson_weights
from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.relations import BITS, answers, code_relations
from octavo.analysis.selection import Selection
from octavo.errors import TraceError

Table = Int64[np.ndarray, "..."]
MANY = 8


def chunk_tables(
    chunk: Chunk, selection: Selection, contents: Contents, coding: RouteCoding, room: dict[str, Table]
) -> dict[str, Table]:
    """The tables of one chunk: all that its domain's ``room`` has places for."""
    keep_T = selection.token_T(chunk)
    lagged = {lag: selection.pair_T(chunk, lag) for lag in contents.lags}
    found: dict[str, Table] = {
        "tokens": np.asarray(keep_T.sum(dtype=np.int64)),
        "documents": np.asarray(len(chunk.document_S), np.int64),
        "pairs": np.array([pair_T.sum() for pair_T in lagged.values()], np.int64),
    }
    fill = _coded if coding.fits_a_byte else _uncoded
    found |= fill(chunk, keep_T, lagged, coding, room)
    if "confidence" in room:
        found |= count_confidence(chunk, keep_T)
    if "weights" in room:
        found |= _replicates(chunk, keep_T, lagged.get(1), coding, contents)
    return found


def _coded(
    chunk: Chunk,
    keep_T: Bool[np.ndarray, "T"],
    lagged: dict[int, Bool[np.ndarray, "P"]],
    coding: RouteCoding,
    room: dict[str, Table],
) -> dict[str, Table]:
    if chunk.code_LT is None:
        raise TraceError("a chunk without route codes: want those of RouteCoding, since E^K is at most 256")
    code_LC = counting.count_codes(chunk, keep_T, coding.size)
    found = {"code": code_LC, "rank": counting.ranks_of_codes(code_LC, coding)}
    if "layer_pair" in room:
        found["layer_pair"] = counting.count_layer_pairs(chunk, keep_T, coding.size)
    repeats, codes, L = [], [], len(chunk.code_LT)
    relation_CC = code_relations(coding)
    for lag, pair_T in lagged.items():
        pair_LCC = counting.count_pairs(chunk, pair_T, lag, coding.size)
        if lag == 1 and "pair" in room:
            found["pair"] = pair_LCC
        bits_LB = np.stack([_by_relation(pair_CC, relation_CC) for pair_CC in pair_LCC])
        repeats.append(answers(bits_LB))
        codes.append(pair_LCC.sum(axis=1) + pair_LCC.sum(axis=2))
    found["repeats"] = np.stack(repeats) if repeats else np.zeros((0, L, 4), np.int64)
    found["repeat_code"] = np.stack(codes) if codes else np.zeros((0, L, coding.size), np.int64)
    return found


def _by_relation(pair_CC: Table, relation_CC: np.ndarray) -> Int64[np.ndarray, "B"]:
    """Adds up pairs of codes that are related in the same ways."""
    met = np.flatnonzero(pair_CC.ravel())
    found_B = np.zeros(BITS, np.int64)
    np.add.at(found_B, relation_CC.ravel()[met], pair_CC.ravel()[met])
    return found_B


def _uncoded(
    chunk: Chunk,
    keep_T: Bool[np.ndarray, "T"],
    lagged: dict[int, Bool[np.ndarray, "P"]],
    coding: RouteCoding,
    _room: dict[str, Table],
) -> dict[str, Table]:
    E, layers = coding.num_experts, range(len(chunk.expert_LTK))
    together, neighbours = zip(*(_companions(each[keep_T], E) for each in chunk.expert_LTK), strict=True)
    found = {
        "rank": np.stack([counting.count_ranks(expert_TK, keep_T, E) for expert_TK in chunk.expert_LTK]),
        "together": np.stack(together),
        "neighbours": np.stack(neighbours),
        "repeats": np.zeros((len(lagged), len(layers), 4), np.int64),
        "repeat_first": np.zeros((len(lagged), len(layers), E), np.int64),
    }
    for step, (lag, pair_T) in enumerate(lagged.items()):
        for place in layers:
            bits_T = counting.relations_of(chunk, place, lag, coding)[pair_T]
            found["repeats"][step, place] = answers(np.bincount(bits_T, minlength=BITS))
            first_T = chunk.expert_LTK[place, :, 0]
            for side_T in (first_T[:-lag][pair_T], first_T[lag:][pair_T]):
                found["repeat_first"][step, place] += np.bincount(side_T, minlength=E)
    return found


def _companions(expert_TK: np.ndarray, num_experts: int) -> tuple[Int64[np.ndarray, "E E"], Int64[np.ndarray, "E E"]]:
    """Tokens that chose both of two experts, and those that chose them next to each other in rank order."""
    member_TE = np.zeros((len(expert_TK), num_experts))
    np.put_along_axis(member_TE, expert_TK.astype(np.int64), 1.0, axis=1)
    together = (member_TE.T @ member_TE).astype(np.int64)
    np.fill_diagonal(together, 0)
    number = expert_TK[:, :-1].astype(np.int64) * num_experts + expert_TK[:, 1:]
    one_way = np.bincount(number.ravel(), minlength=num_experts**2).reshape(num_experts, num_experts)
    return together, one_way + one_way.T


def _replicates(
    chunk: Chunk,
    keep_T: Bool[np.ndarray, "T"],
    pair_T: Bool[np.ndarray, "P"] | None,
    coding: RouteCoding,
    contents: Contents,
) -> dict[str, Table]:
    """What each replicate counts: the documents' own counts, times their weights."""
    R = contents.replicates
    weight_RS = poisson_weights(chunk.document_S, chunk.domain, replicates=R, seed=contents.seed)

    def weighed(count_S: np.ndarray) -> Table:
        # Products and sums of whole numbers below 2^53 are exact, and the faster for it.
        flat = count_S.reshape(len(count_S), -1).astype(np.float64)
        return np.asarray(np.rint(weight_RS @ flat), np.int64).reshape(R, *count_S.shape[1:])

    tokens_S = np.bincount(chunk.place_T[keep_T], minlength=len(chunk.document_S))
    found = {
        "weights": weighed(tokens_S),
        "replicate_rank": weighed(counting.ranks_by_document(chunk, keep_T, coding)),
    }
    if pair_T is not None:
        found["replicate_pairs"] = weighed(counting.pairs_by_document(chunk, pair_T))
        found["replicate_repeats"] = weighed(counting.repeats_by_document(chunk, pair_T, 1, coding))
    return found


def expect_ids(chunk: Chunk, manifest: TraceManifest) -> None:
    """Raises TraceError where a chunk has no token ids, or one that the model does not have."""
    if chunk.token_T is None:
        raise TraceError("a chunk without token ids: want them, since the manifest says that there are some")
    V = manifest.vocab_size
    if V is not None and len(chunk.token_T) and chunk.token_T.max() >= V:
        raise TraceError(f"token id {chunk.token_T.max()} in a chunk: want ids below {V}, the model's vocabulary")


def count_vocabulary(vocabulary_LVKE: Table, chunk: Chunk, selection: Selection, coding: RouteCoding) -> None:
    """Adds the tokens of a chunk to the vocabulary, in place."""
    assert chunk.token_T is not None and chunk.code_LT is not None, "both are looked at before they are counted"
    _, _, K, E = vocabulary_LVKE.shape
    rows_T = np.flatnonzero(selection.token_T(chunk))
    # In order of their ids, tokens that are counted together stand together in memory: several times as fast.
    rows_T = rows_T[np.argsort(chunk.token_T[rows_T], kind="stable")]
    start_T = chunk.token_T[rows_T].astype(np.int64) * (K * E)
    place_KC = (coding.expert_CK().astype(np.int64) + np.arange(0, K * E, E)).T
    for vocabulary_VKE, code_T in zip(vocabulary_LVKE, chunk.code_LT, strict=True):
        flat, route_T = vocabulary_VKE.reshape(-1), code_T[rows_T]
        number_N = np.concatenate([start_T + place_C[route_T] for place_C in place_KC])
        if len(number_N) * MANY < len(flat):  # few tokens: cheaper one by one than a pass over the whole vocabulary
            np.add.at(flat, number_N, 1)
        else:
            flat += np.bincount(number_N, minlength=len(flat))
