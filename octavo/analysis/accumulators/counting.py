"""Counting a chunk: how often each route, and each pair of routes, stands in one layer of it.

A pair of codes (a, b) is the number a · C + b, so a table of pairs is one bincount. Most rows count, so all neighbours
are counted and those that do not count are taken off again: cheaper than picking out those that do.
"""

import numpy as np
from jaxtyping import Bool, Int64, Integer, UInt8

from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.relations import BITS, answers, code_relations, expert_relations

FEW = 0.2  # of the rows: more than these are not worth taking off again


def count_some(number_T: Integer[np.ndarray, "T"], keep_T: Bool[np.ndarray, "T"], size: int) -> Int64[np.ndarray, "X"]:
    """How often each number below ``size`` stands in the rows that count."""
    out_T = np.flatnonzero(~keep_T)
    if len(out_T) > FEW * len(keep_T):
        return np.asarray(np.bincount(number_T[keep_T], minlength=size))
    return np.asarray(np.bincount(number_T, minlength=size) - np.bincount(number_T[out_T], minlength=size))


def pair_numbers(
    before_T: UInt8[np.ndarray, "T"], after_T: UInt8[np.ndarray, "T"], size: int
) -> Int64[np.ndarray, "T"]:
    """The number of each pair of codes."""
    number_T = before_T.astype(np.int64)
    number_T *= size
    number_T += after_T
    return number_T


def count_codes(chunk: Chunk, keep_T: Bool[np.ndarray, "T"], size: int) -> Int64[np.ndarray, "L C"]:
    """How many tokens took each route, layer by layer."""
    assert chunk.code_LT is not None, "codes are counted where there are codes"
    return np.stack([count_some(code_T, keep_T, size) for code_T in chunk.code_LT])


def count_pairs(chunk: Chunk, pair_T: Bool[np.ndarray, "P"], lag: int, size: int) -> Int64[np.ndarray, "L C C"]:
    """How many pairs of tokens ``lag`` apart took each two routes, the earlier token's first."""
    assert chunk.code_LT is not None, "codes are counted where there are codes"
    tables = (
        count_some(pair_numbers(code_T[:-lag], code_T[lag:], size), pair_T, size * size) for code_T in chunk.code_LT
    )
    return np.stack([*tables]).reshape(-1, size, size)


def count_layer_pairs(chunk: Chunk, keep_T: Bool[np.ndarray, "T"], size: int) -> Int64[np.ndarray, "l C C"]:
    """How many tokens took each two routes in a layer and in the next one with experts: one table less than layers."""
    assert chunk.code_LT is not None, "codes are counted where there are codes"
    tables = [
        count_some(pair_numbers(before_T, after_T, size), keep_T, size * size).reshape(size, size)
        for before_T, after_T in zip(chunk.code_LT[:-1], chunk.code_LT[1:], strict=True)
    ]
    return np.stack(tables) if tables else np.zeros((0, size, size), np.int64)


def ranks_of_codes(count_XC: Int64[np.ndarray, "*X C"], coding: RouteCoding) -> Int64[np.ndarray, "*X K E"]:
    """From counts of codes to how often each expert stood at each rank."""
    expert_CKE = coding.expert_CK()[:, :, None] == np.arange(coding.num_experts)
    flat = count_XC @ expert_CKE.reshape(coding.size, -1).astype(np.int64)
    return np.asarray(flat.reshape(*count_XC.shape[:-1], coding.k, coding.num_experts))


def count_ranks(
    expert_TK: Integer[np.ndarray, "T K"], keep_T: Bool[np.ndarray, "T"], num_experts: int
) -> Int64[np.ndarray, "K E"]:
    """How often each expert stood at each rank."""
    return np.stack([count_some(expert_T.astype(np.int64), keep_T, num_experts) for expert_T in expert_TK.T])


def relations_of(chunk: Chunk, place: int, lag: int, coding: RouteCoding) -> UInt8[np.ndarray, "P"]:
    """In which ways (four bits) each of the first T − lag tokens is repeated, in the layer at ``place``."""
    if chunk.code_LT is not None:
        code_T = chunk.code_LT[place]
        return np.asarray(code_relations(coding).ravel()[pair_numbers(code_T[:-lag], code_T[lag:], coding.size)])
    expert_TK = chunk.expert_LTK[place]
    return expert_relations(expert_TK[:-lag], expert_TK[lag:], coding.num_experts)


def ranks_by_document(chunk: Chunk, keep_T: Bool[np.ndarray, "T"], coding: RouteCoding) -> Int64[np.ndarray, "S L K E"]:
    """How often each expert stood at each rank, document by document."""
    if chunk.code_LT is not None:
        return ranks_of_codes(codes_by_document(chunk, keep_T, coding), coding)
    place_T, (layers, _, _) = chunk.place_T[keep_T], chunk.expert_LTK.shape
    S, K, E = len(chunk.document_S), coding.k, coding.num_experts
    counted = np.empty((S, layers, K, E), np.int64)
    for place, expert_TK in enumerate(chunk.expert_LTK):
        for rank, expert_T in enumerate(expert_TK[keep_T].T):
            counted[:, place, rank] = np.bincount(place_T * E + expert_T, minlength=S * E).reshape(S, E)
    return counted


def codes_by_document(chunk: Chunk, keep_T: Bool[np.ndarray, "T"], coding: RouteCoding) -> Int64[np.ndarray, "S L C"]:
    """How many tokens took each route, document by document."""
    assert chunk.code_LT is not None, "codes are counted where there are codes"
    start_T, size, S = chunk.place_T * coding.size, coding.size, len(chunk.document_S)
    tables = [count_some(start_T + code_T, keep_T, S * size).reshape(S, size) for code_T in chunk.code_LT]
    return np.stack(tables, axis=1)


def repeats_by_document(
    chunk: Chunk, pair_T: Bool[np.ndarray, "P"], lag: int, coding: RouteCoding
) -> Int64[np.ndarray, "S L 4"]:
    """How many pairs repeat in each of the four ways, document by document: that of the earlier token."""
    start_T, S = chunk.place_T[: max(0, chunk.num_tokens - lag)] * BITS, len(chunk.document_S)
    tables = [
        count_some(start_T + relations_of(chunk, place, lag, coding), pair_T, S * BITS).reshape(S, BITS)
        for place in range(len(chunk.expert_LTK))
    ]
    return answers(np.stack(tables, axis=1))


def pairs_by_document(chunk: Chunk, pair_T: Bool[np.ndarray, "P"]) -> Int64[np.ndarray, "S"]:
    """How many pairs count, document by document."""
    return np.bincount(chunk.place_T[: len(pair_T)][pair_T], minlength=len(chunk.document_S))
