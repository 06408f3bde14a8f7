"""Caches of experts: what even routers give, what a document's order gives, and what cannot be asked for."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.cache import cache
from octavo.analysis.statistics.intervals import Intervals
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, uniform


def value_of(rows: list[dict[str, Any]], result: str = "value", **keys: Any) -> Any:
    (found,) = (each for each in rows if all(each[name] == wanted for name, wanted in keys.items()))
    return found[result]


EVEN = MemoryTrace([uniform(4000, num_layers=2, seed=seed, name=str(seed)) for seed in range(4)])


@pytest.mark.parametrize("policy", ["lru", "lfu", "static"])
def test_even_routers_hit_c_out_of_e(policy: str) -> None:
    rows = cache(EVEN, policies=[policy], warm_up=50)
    for capacity in (2, 3, 4, 6):
        for layer in (0, 1):
            assert value_of(rows, layer=layer, capacity=capacity) == pytest.approx(capacity / 8, abs=0.02)
            assert value_of(rows, "null_uniform", layer=layer, capacity=capacity) == capacity / 8


def test_a_sequential_check_hits_less_often() -> None:
    rows = cache(EVEN, policies=["lru"], warm_up=50, check="sequential")
    for capacity, wanted in {2: 0.197, 3: 0.331, 4: 0.465, 6: 0.732}.items():
        assert value_of(rows, layer=0, capacity=capacity) == pytest.approx(wanted, abs=0.012)
        assert value_of(rows, "null_uniform", layer=0, capacity=capacity) == pytest.approx(wanted, abs=0.012)


def test_belady_is_above_all_and_above_what_it_gives_for_chance_in_no_case() -> None:
    rows = cache(EVEN)
    for capacity in (2, 3, 4, 6):
        found = {each["policy"]: each["value"] for each in rows if each["capacity"] == capacity and each["layer"] == 0}
        assert found["belady"] == max(found.values())
        assert value_of(rows, "null_uniform", policy="belady", layer=0, capacity=capacity) == pytest.approx(
            found["belady"], abs=0.015
        )


def test_room_for_all_experts_always_hits_once_warm() -> None:
    rows = cache(EVEN, capacities=[8], warm_up=200)
    assert {each["value"] for each in rows} == {1.0}


def test_a_constant_route_hits_whatever_the_policy() -> None:
    trace = MemoryTrace([constant(100, name=str(number)) for number in range(4)])
    rows = cache(trace, capacities=[2], warm_up=1)
    assert {each["value"] for each in rows} == {1.0}


def test_the_order_of_tokens_is_what_a_recent_use_lives_on() -> None:
    runs = [(pair, pair + 1) for pair in (0, 2, 4, 6) for _ in range(50)]
    rows = cache(MemoryTrace([document(runs)]), policies=["lru"], capacities=[2])
    assert value_of(rows) == pytest.approx(0.98)
    assert value_of(rows, "null_shuffle") == pytest.approx(0.25, abs=0.06)


def test_favourites_are_learnt_from_the_other_half_of_the_documents() -> None:
    trace = MemoryTrace([constant(20, (3, 5), name="a"), constant(20, (0, 1), name="b")])
    rows = cache(trace, policies=["static"], capacities=[2])
    assert value_of(rows) == 0.0
    alone = cache(MemoryTrace([constant(20)]), policies=["static"], capacities=[2])
    assert (value_of(alone), value_of(alone, "n")) == (None, 0)


def test_one_cache_for_all_layers_lets_a_layer_have_more() -> None:
    # One layer needs one pair only, the other two pairs in turn: four slots each are too many and too few.
    routes = [[(0, 1), (number % 3 * 2, number % 3 * 2 + 1)] for number in range(300)]
    trace = MemoryTrace([document(routes)])
    own = cache(trace, policies=["lru"], capacities=[4], warm_up=5)
    shared = cache(trace, policies=["lru"], capacities=[4], warm_up=5, scope="global")
    assert [value_of(own, layer=layer) for layer in (0, 1)] == [1.0, 0.0]
    assert value_of(shared, layer=None) == 1.0
    assert value_of(shared, "n") == 2 * value_of(own, "n", layer=0)


def test_intervals_come_from_documents() -> None:
    documents = [constant(60, name="a"), *(uniform(60, seed=seed, name=str(seed)) for seed in range(5))]
    row = cache(MemoryTrace(documents), policies=["lru"], capacities=[3], intervals=Intervals())[0]
    assert row["lo"] < row["value"] < row["hi"]


def test_fewer_tokens_can_be_played() -> None:
    rows = cache(EVEN, policies=["lru"], capacities=[2], max_tokens=4001)
    assert value_of(rows, "n", layer=0) == 2 * 8000


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"capacities": [1]}, "want from 2"),
        ({"capacities": [9]}, "to 8"),
        ({"policies": ["fifo"]}, "no policy 'fifo'"),
        ({"scope": "rack"}, "no scope"),
        ({"check": "never"}, "no check"),
    ],
)
def test_bad_requests_are_refused(options: dict[str, Any], complaint: str) -> None:
    with pytest.raises(TraceError, match=complaint):
        cache(MemoryTrace([constant(3)]), **options)


def test_a_chance_order_is_the_same_every_time() -> None:
    first, second = (cache(EVEN, policies=["lru"], capacities=[2]) for _ in range(2))
    assert first == second
    assert np.isfinite(first[0]["null_shuffle"])
