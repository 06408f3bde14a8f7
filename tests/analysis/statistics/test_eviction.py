"""A cache of experts hits as often as it must: as the closed form says of even routers, and never above Belady."""

import itertools

import numpy as np
import pytest

from octavo.analysis.statistics.eviction import (
    Stream,
    asked_S,
    lru_hits_GSC,
    simulated_hits_GSC,
    static_hits_GSC,
)
from tests.analysis.synthetic import random_choice

CAPACITIES = (2, 3, 4, 6, 8)


def stream_of(*documents: list[tuple[int, ...]], num_items: int = 8) -> Stream:
    item_Nk = np.array([step for document in documents for step in document], np.uint8)
    start = np.cumsum([0, *(len(document) for document in documents)])
    return Stream(item_GNk=item_Nk[None], start_S1=start, num_items=num_items)


def uniform_stream(steps: int = 20_000, groups: int = 4, seed: int = 0) -> Stream:
    chosen = random_choice(np.random.default_rng(seed), (groups, steps), 8, 2)
    return Stream(item_GNk=chosen, start_S1=np.arange(0, steps + 1, 1000), num_items=8)


def rates(hits: np.ndarray, stream: Stream, warm_up: int = 0) -> np.ndarray:
    return hits.sum(axis=(0, 1)) / (asked_S(stream, warm_up=warm_up).sum() * len(stream.item_GNk))


def every(stream: Stream, capacities: tuple[int, ...] = CAPACITIES, warm_up: int = 0) -> dict[str, np.ndarray]:
    found = {"lru": lru_hits_GSC(stream, capacities, warm_up=warm_up)}
    for policy in ("lfu", "belady", "window"):
        found[policy] = simulated_hits_GSC(stream, policy, capacities, warm_up=warm_up, window=16)
    return found


def test_an_even_router_hits_a_cache_of_c_slots_c_times_out_of_e() -> None:
    stream = uniform_stream()
    found = rates(lru_hits_GSC(stream, CAPACITIES, warm_up=100), stream, 100)
    np.testing.assert_allclose(found, [0.25, 0.375, 0.5, 0.75, 1.0], atol=0.004)


def test_looking_for_one_expert_after_the_other_hits_less_often() -> None:
    stream = uniform_stream().one_by_one()
    found = rates(lru_hits_GSC(stream, CAPACITIES, warm_up=100), stream, 100)
    np.testing.assert_allclose(found, [0.197, 0.331, 0.465, 0.732, 1.0], atol=0.004)


def test_least_frequent_is_no_worse_a_guess_than_least_recent_for_an_even_router() -> None:
    stream = uniform_stream()
    found = rates(simulated_hits_GSC(stream, "lfu", CAPACITIES, warm_up=100), stream, 100)
    np.testing.assert_allclose(found, [0.25, 0.375, 0.5, 0.75, 1.0], atol=0.006)


@pytest.mark.parametrize("one_by_one", [False, True])
@pytest.mark.parametrize("seed", range(4))
def test_nothing_beats_belady(one_by_one: bool, seed: int) -> None:
    stream = uniform_stream(steps=2000, groups=2, seed=seed)
    stream = stream.one_by_one() if one_by_one else stream
    found = every(stream)
    for column, capacity in enumerate(CAPACITIES):
        # The best fixed content of all, chosen with the document already known.
        for kept in itertools.combinations(range(8), capacity):
            kept_CGI = np.zeros((1, 2, 8), bool)
            kept_CGI[:, :, list(kept)] = True
            assert (static_hits_GSC(stream, kept_CGI)[:, :, 0] <= found["belady"][:, :, column]).all()
        for policy in ("lru", "lfu", "window"):
            assert (found[policy][:, :, column] <= found["belady"][:, :, column]).all()


def test_a_cache_for_all_experts_misses_each_once() -> None:
    stream = uniform_stream()
    assert (rates(lru_hits_GSC(stream, (8,), warm_up=200), stream, 200) == 1).all()
    misses = asked_S(stream) - lru_hits_GSC(stream, (8,))[:, :, 0]
    assert (misses == 8).all()


@pytest.mark.parametrize("capacity", [2, 3, 5])
@pytest.mark.parametrize("k", [1, 2])
def test_stack_distances_agree_with_a_cache_played_by_hand(capacity: int, k: int) -> None:
    rng = np.random.default_rng(capacity)
    chosen = random_choice(rng, (60,), 6, k)
    stream = Stream(item_GNk=chosen[None], start_S1=np.array([0, 25, 60]), num_items=6)
    by_hand = []
    for begin, end in ((0, 25), (25, 60)):
        held: list[int] = []
        hits = 0
        for step in chosen[begin:end].tolist():
            hits += sum(item in held for item in step)
            for item in step:
                held = [each for each in held if each != item] + [item]
            held = held[-capacity:]
        by_hand.append(hits)
    assert lru_hits_GSC(stream, (capacity,))[0, :, 0].tolist() == by_hand


def test_a_document_starts_with_an_empty_cache() -> None:
    stream = stream_of([(0, 1)] * 3, [(0, 1)] * 3)
    for policy in ("lru", "lfu", "window"):
        assert every(stream, (2,))[policy][0, :, 0].tolist() == [4, 4], policy


def test_least_frequent_keeps_what_was_used_often() -> None:
    often = [(0,), (0,), (0,), (1,), (2,), (0,)]
    stream = stream_of(often)
    assert simulated_hits_GSC(stream, "lfu", (2,))[0, 0, 0] == 3
    assert lru_hits_GSC(stream, (2,))[0, 0, 0] == 2


def test_a_window_of_future_keeps_what_is_coming() -> None:
    stream = stream_of([(0,), (1,), (2,), (0,), (0,)])
    assert simulated_hits_GSC(stream, "window", (2,), window=4)[0, 0, 0] == 2
    assert lru_hits_GSC(stream, (2,))[0, 0, 0] == 1


def test_one_cache_for_two_layers_tells_their_experts_apart() -> None:
    same = np.zeros((2, 5, 1), np.uint8)
    stream = Stream(item_GNk=same, start_S1=np.array([0, 5]), num_items=4)
    assert lru_hits_GSC(stream.shared(), (1, 2))[0, 0].tolist() == [0, 8]
    assert simulated_hits_GSC(stream.shared(), "lfu", (2,))[0, 0].tolist() == [8]


def test_documents_of_different_lengths_are_played_each_to_its_end() -> None:
    documents = [[(0, 1)] * 2, [(2, 3)] * 7, [(4, 5)]]
    stream = stream_of(*documents)
    assert every(stream, (2,))["lfu"][0, :, 0].tolist() == [2, 12, 0]
    assert every(stream, (2,))["belady"][0, :, 0].tolist() == [4, 14, 2]
