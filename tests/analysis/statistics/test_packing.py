"""Packing experts: by hand, and the published example of the scheme."""

import numpy as np
import pytest

from octavo.analysis.statistics.packing import Cluster, balanced, contiguous, held_EG, pack, replicate
from octavo.errors import TraceError

# Loads and plan of the example in the README of DeepSeek's EPLB: 12 experts in 4 groups, 16 slots, 8 GPUs, 2 nodes.
LOADS = np.array(
    [[90, 132, 40, 61, 104, 165, 39, 4, 73, 56, 183, 86], [20, 107, 104, 64, 19, 197, 187, 157, 172, 86, 16, 27]]
)
PLANS = [[5, 6, 5, 7, 8, 4, 3, 4, 10, 9, 10, 2, 0, 1, 11, 1], [7, 10, 6, 8, 6, 11, 8, 9, 2, 4, 5, 1, 5, 0, 3, 1]]


@pytest.mark.parametrize("layer", [0, 1])
def test_the_published_example(layer: int) -> None:
    cluster = Cluster(gpus=8, slots=16, nodes=2, groups=4)
    assert balanced(LOADS[layer], cluster).tolist() == PLANS[layer]


def test_the_heaviest_goes_to_the_lightest_pack_with_room() -> None:
    pack_N, place_N = pack(np.array([1, 9, 5, 4]), 2)
    # 9 opens the first pack, 5 and then 4 the second, which is then full, so 1 joins 9.
    assert pack_N.tolist() == [0, 0, 1, 1]
    assert place_N.tolist() == [1, 0, 0, 1]


def test_copies_go_where_a_copy_has_the_most_to_do() -> None:
    assert replicate(np.array([10, 6, 1]), 6).tolist() == [0, 1, 2, 0, 1, 0]


def test_a_plan_holds_every_expert_and_fills_every_slot() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        load_E = rng.integers(0, 1000, 16)
        slot_s = balanced(load_E, Cluster(gpus=8, slots=24))
        assert set(slot_s.tolist()) == set(range(16))
        held = held_EG(slot_s, 16, 8)
        assert held.sum(axis=1).tolist() == pytest.approx([1] * 16)
        plain = load_E @ held_EG(contiguous(16, Cluster(gpus=8, slots=16)), 16, 8)
        assert (load_E @ held).max() <= plain.max()


def test_without_loads_experts_stand_in_order() -> None:
    assert contiguous(4, Cluster(gpus=2, slots=6)).tolist() == [0, 1, 2, 3, 0, 1]
    assert held_EG(np.array([0, 1, 2, 3, 0, 1]), 4, 2).tolist() == [[0.5, 0.5], [0.5, 0.5], [1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"gpus": 3, "slots": 8}, "8 slots over 3"),
        ({"gpus": 0, "slots": 8}, "0 GPUs"),
        ({"gpus": 4, "slots": 8, "nodes": 3}, "4 GPUs over 3"),
    ],
)
def test_a_cluster_that_is_uneven_is_refused(wrong: dict[str, int], message: str) -> None:
    with pytest.raises(TraceError, match=message):
        Cluster(**wrong)


@pytest.mark.parametrize(
    ("cluster", "message"),
    [
        (Cluster(gpus=2, slots=6), "6 slots for 8 experts"),
        (Cluster(gpus=2, slots=8, groups=3), "8 experts in 3 groups"),
        (Cluster(gpus=4, slots=8, nodes=4, groups=2), "2 groups over 4 nodes"),
    ],
)
def test_experts_that_do_not_fit_are_refused(cluster: Cluster, message: str) -> None:
    with pytest.raises(TraceError, match=message):
        balanced(np.ones(8), cluster)
