"""Segments of tokens need few experts where routes persist, and as many as chance says where they do not."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.local_consistency import _descending, best_f1, local_consistency, srp_of_chance
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, manifest_of, period_two, uniform

KNOWN = {4: 0.565, 16: 0.452, 64: 0.409}


def value_of(rows: list[dict[str, Any]], result: str = "value", **keys: Any) -> Any:
    (found,) = (each for each in rows if all(each[name] == wanted for name, wanted in keys.items()))
    return found[result]


def test_what_chance_gives_is_known_exactly() -> None:
    for length, wanted in KNOWN.items():
        assert srp_of_chance(np.ones(8, np.int64), length, 2) == pytest.approx(wanted, abs=0.0006)
    assert srp_of_chance(np.ones(64, np.int64), 16, 8) == pytest.approx(0.321, abs=0.0006)
    assert srp_of_chance(np.ones(8, np.int64), 4096, 2) == pytest.approx(0.4, abs=0.02)


def test_even_routers_reach_what_chance_gives() -> None:
    rows = local_consistency(MemoryTrace([uniform(40_000)]))
    for length, wanted in KNOWN.items():
        keys = {"measure": "srp", "length": length}
        assert value_of(rows, **keys) == pytest.approx(wanted, abs=0.006)
        assert value_of(rows, "null_uniform", **keys) == pytest.approx(wanted, abs=0.0006)
        assert value_of(rows, "null_marginal", **keys) == pytest.approx(wanted, abs=0.003)


def test_a_segment_of_one_token_is_served_perfectly() -> None:
    rows = local_consistency(MemoryTrace([uniform(500)]), lengths=(1,), cached=True)
    assert value_of(rows, measure="srp") == 1.0
    assert value_of(rows, measure="sch-window", factor=1.0) == 1.0


def test_a_constant_route_is_served_perfectly_at_any_length() -> None:
    rows = local_consistency(MemoryTrace([constant(200)]), cached=True)
    assert {each["value"] for each in rows if each["measure"] != "sch"} == {1.0}
    # The first token alone misses.
    assert {each["value"] for each in rows if each["measure"] == "sch"} == {199 / 200}


def test_two_disjoint_routes_in_turn_need_twice_the_experts() -> None:
    rows = local_consistency(MemoryTrace([period_two(400)]), lengths=(16,), factors=(1.0, 2.0))
    assert value_of(rows, measure="srp") == pytest.approx(2 / 3)
    assert value_of(rows, measure="sch-window", factor=1.0) == pytest.approx(0.5)
    assert value_of(rows, measure="sch-window", factor=2.0) == 1.0


def test_a_skewed_router_is_measured_against_its_own_frequencies() -> None:
    rng = np.random.default_rng(0)
    first = rng.choice(4, size=20_000, p=[0.7, 0.1, 0.1, 0.1])
    trace = MemoryTrace([document([(int(each),) for each in first])])
    rows = local_consistency(
        MemoryTrace(trace.given, manifest_of(trace.given, num_experts=4)), lengths=(16,), factors=()
    )
    row = rows[0]
    assert row["value"] == pytest.approx(row["null_marginal"], abs=0.01)
    assert row["value"] > row["null_uniform"] + 0.1


def test_no_segment_crosses_documents() -> None:
    trace = MemoryTrace([constant(3, (0, 1), name="a"), constant(3, (2, 3), name="b")])
    rows = local_consistency(trace, lengths=(3, 4))
    assert (value_of(rows, measure="srp", length=3), value_of(rows, "n", measure="srp", length=3)) == (1.0, 12)
    assert (value_of(rows, measure="srp", length=4), value_of(rows, "n", measure="srp", length=4)) == (None, 0)


def test_intervals_come_from_documents() -> None:
    documents = [constant(100, name="a"), *(uniform(100, seed=seed, name=str(seed)) for seed in range(6))]
    rows = local_consistency(MemoryTrace(documents), lengths=(16,), intervals=Intervals(), cached=True)
    for row in rows:
        assert row["lo"] < row["value"] < row["hi"], row


def test_the_best_threshold_is_found() -> None:
    assert best_f1(np.array([3.0, 0.0, 1.0])) == pytest.approx(1.0)
    assert np.isnan(best_f1(np.zeros(3)))


@pytest.mark.parametrize("num_experts", [1, 2, 7, 8, 16, 17])
def test_columns_are_sorted_however_many_experts_there_are(num_experts: int) -> None:
    f_EN = np.random.default_rng(0).integers(5, size=(num_experts, 200)).astype(np.uint8)
    np.testing.assert_array_equal(_descending(f_EN), np.sort(f_EN, axis=0)[::-1])


def test_segments_are_counted_as_by_hand() -> None:
    rows = local_consistency(MemoryTrace([document([(0, 1), (0, 2), (3, 1)])]), lengths=(2,), factors=(1.0,))
    # Segments {0: 2, 1: 1, 2: 1} and {0: 1, 1: 1, 2: 1, 3: 1}: the best two serve 3 of 4, then 2 of 4.
    assert value_of(rows, measure="sch-window") == 5 / 8
    # Experts with one use at least: all 8 uses for 7 experts of 2 tokens each.
    assert value_of(rows, measure="srp") == pytest.approx(16 / (14 + 8))


def test_bad_requests_are_refused() -> None:
    trace = MemoryTrace([constant(3)])
    with pytest.raises(TraceError, match="want 1 or more"):
        local_consistency(trace, lengths=(0,))
    with pytest.raises(TraceError, match="want from 2 to 8 experts"):
        local_consistency(trace, factors=(5.0,))
