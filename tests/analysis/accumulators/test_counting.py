"""Counts of a chunk, against loops in Python."""

import itertools

import numpy as np
import pytest

from octavo.analysis.accumulators import counting
from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from tests.analysis.synthetic import chunk_of, uniform

CODING = RouteCoding(8, 2)
CHUNK = chunk_of([uniform(40, num_layers=3, seed=seed, first_token_is_bos=True, name=str(seed)) for seed in range(4)])
KEEP_T = Selection().token_T(CHUNK)


def documents() -> list[range]:
    return [range(a + 1, b) for a, b in itertools.pairwise(CHUNK.start_S1.tolist())]


@pytest.mark.parametrize("share", [0.05, 0.5, 1.0])
def test_taking_off_and_picking_out_count_the_same(share: float) -> None:
    rng = np.random.default_rng(0)
    number_T, keep_T = rng.integers(10, size=500), rng.random(500) >= share
    assert (counting.count_some(number_T, keep_T, 10) == np.bincount(number_T[keep_T], minlength=10)).all()


def test_ranks_are_those_of_the_experts() -> None:
    code_LC = counting.count_codes(CHUNK, KEEP_T, CODING.size)
    rank_LKE = counting.ranks_of_codes(code_LC, CODING)
    for layer in range(3):
        assert (counting.count_ranks(CHUNK.expert_LTK[layer], KEEP_T, 8) == rank_LKE[layer]).all()
    assert rank_LKE.sum() == 3 * 2 * 4 * 39


@pytest.mark.parametrize("lag", [1, 7])
def test_pairs_are_those_of_neighbours_within_a_document(lag: int) -> None:
    assert CHUNK.code_LT is not None
    wanted = np.zeros((3, 64, 64), int)
    for rows in documents():
        for t in rows[: max(0, len(rows) - lag)]:
            for layer in range(3):
                wanted[layer, CHUNK.code_LT[layer, t], CHUNK.code_LT[layer, t + lag]] += 1
    assert (counting.count_pairs(CHUNK, Selection().pair_T(CHUNK, lag), lag, 64) == wanted).all()


def test_pairs_of_layers_are_those_of_one_token() -> None:
    assert CHUNK.code_LT is not None
    wanted = np.zeros((2, 64, 64), int)
    for t in itertools.chain(*documents()):
        for layer in range(2):
            wanted[layer, CHUNK.code_LT[layer, t], CHUNK.code_LT[layer + 1, t]] += 1
    assert (counting.count_layer_pairs(CHUNK, KEEP_T, 64) == wanted).all()


def test_documents_add_up_to_the_chunk() -> None:
    code_SLC = counting.codes_by_document(CHUNK, KEEP_T, CODING)
    assert (code_SLC.sum(axis=0) == counting.count_codes(CHUNK, KEEP_T, 64)).all()
    assert (code_SLC.sum(axis=2) == 39).all()
    pair_T = Selection().pair_T(CHUNK)
    assert counting.pairs_by_document(CHUNK, pair_T).tolist() == [38] * 4
    repeat_SL4 = counting.repeats_by_document(CHUNK, pair_T, 1, CODING)
    first = CHUNK.expert_LTK[1, :, 0]
    wanted = [sum(first[t] == first[t + 1] for t in rows[:-1]) for rows in documents()]
    assert repeat_SL4[:, 1, 0].tolist() == wanted


def test_routes_without_codes_are_counted_alike() -> None:
    from dataclasses import replace

    bare = replace(CHUNK, code_LT=None)
    pair_T = Selection().pair_T(CHUNK, 2)
    assert (counting.ranks_by_document(bare, KEEP_T, CODING) == counting.ranks_by_document(CHUNK, KEEP_T, CODING)).all()
    here, there = (counting.repeats_by_document(each, pair_T, 2, CODING) for each in (bare, CHUNK))
    assert (here == there).all()


def test_a_chunk_shorter_than_the_lag_has_no_pairs() -> None:
    short = chunk_of([uniform(3)])
    pair_T = Selection().pair_T(short, 5)
    assert counting.pairs_by_document(short, pair_T).tolist() == [0]
    assert counting.count_pairs(short, pair_T, 5, 64).sum() == 0
    assert counting.repeats_by_document(short, pair_T, 5, CODING).sum() == 0
