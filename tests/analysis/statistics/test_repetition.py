"""Repetition: the known answers, the three chances, and intervals."""

import itertools
import math

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics import Intervals, Selection
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, manifest_of, period_two, uniform

ALL = ("first", "either", "exact", "order-free")


def found(rows: list[Row]) -> dict[tuple[str, int], Row]:
    return {(each["choice"], each["lag"]): each for each in rows}


def rates(trace: MemoryTrace, lag: int = 1) -> list[float | None]:
    return [each["value"] for each in repetition(trace, choice=ALL, lag=[lag])]


def skewed(tokens: int, *, seed: int, **fields: str) -> object:
    """Independent tokens, all experts but the first rare."""
    rng = np.random.default_rng(seed)
    share_E = np.array([0.6, 0.2, 0.1, 0.02, 0.02, 0.02, 0.02, 0.02])
    routes = [tuple(rng.choice(8, 2, replace=False, p=share_E)) for _ in range(tokens)]
    return document(routes, name=str(seed), **fields)


def test_a_constant_route_repeats_always() -> None:
    assert rates(MemoryTrace([constant(5)])) == [1, 1, 1, 1]


def test_two_disjoint_routes_in_turn() -> None:
    trace = MemoryTrace([period_two(9)])
    assert rates(trace, 1) == [0, 0, 0, 0]
    assert rates(trace, 2) == [1, 1, 1, 1]


def test_a_swap_of_ranks() -> None:
    assert rates(MemoryTrace([document([(0, 1), (1, 0)])])) == [0, 1, 0, 1]


def test_two_documents_of_one_token_have_no_pairs() -> None:
    rows = repetition(MemoryTrace([constant(1), constant(1, name="b")]), intervals=Intervals())
    assert {(each["value"], each["n"], each["lo"], each["null_shuffle"]) for each in rows} == {(None, 0, None, None)}
    assert [each["null_uniform"] for each in rows] == pytest.approx([1 / 8, 13 / 28])


def test_uniform_routing_gives_the_published_chances() -> None:
    T = 20000
    rows = found(repetition(MemoryTrace([uniform(T)]), choice=ALL))
    for choice, chance in zip(ALL, (1 / 8, 13 / 28, 1 / 56, 1 / 28), strict=True):
        each = rows[choice, 1]
        three_sigma = 3 * math.sqrt(chance * (1 - chance) / T)
        assert each["value"] == pytest.approx(chance, abs=three_sigma)
        assert each["null_uniform"] == pytest.approx(chance)
        assert each["null_marginal"] == pytest.approx(chance, abs=1e-3)
        assert each["null_shuffle"] == pytest.approx(chance, abs=1e-3)
        assert each["n"] == T - 1


def test_skewed_but_independent_tokens_have_no_kappa() -> None:
    trace = MemoryTrace([skewed(4000, seed=seed) for seed in range(3)])  # type: ignore[misc]
    rate, kappa = (found(repetition(trace, measure=measure)) for measure in ("rate", "kappa"))
    for choice in ("first", "either"):
        assert rate[choice, 1]["value"] > rate[choice, 1]["null_uniform"] + 0.1
        assert rate[choice, 1]["value"] == pytest.approx(rate[choice, 1]["null_marginal"], abs=0.02)
        assert kappa[choice, 1]["value"] == pytest.approx(0, abs=0.03)
        assert kappa[choice, 1]["null_uniform"] == kappa[choice, 1]["null_marginal"] == 0


def test_the_marginal_chance_of_either_is_of_whole_sets() -> None:
    rows = found(repetition(MemoryTrace([period_two(9)])))
    # Of 16 ends of pairs 8 stand on each route: two draws agree half of the time.
    assert rows["either", 1]["null_marginal"] == pytest.approx(0.5)
    assert rows["first", 1]["null_marginal"] == pytest.approx(0.5)


def test_the_shuffle_chance_is_the_mean_over_all_orders_of_the_tokens_that_count() -> None:
    routes = [(0, 1), (0, 2), (3, 1), (3, 0)]
    trace = MemoryTrace([document([(5, 6), *routes], flags=[3, 0, 0, 0, 0])])
    orders = list(itertools.permutations(routes))
    for lag in (1, 2):
        rows = found(repetition(trace, lag=[lag]))
        first = np.mean([order[t][0] == order[t + lag][0] for order in orders for t in range(4 - lag)])
        either = np.mean([bool({*order[t]} & {*order[t + lag]}) for order in orders for t in range(4 - lag)])
        assert rows["first", lag]["null_shuffle"] == pytest.approx(first)
        assert rows["either", lag]["null_shuffle"] == pytest.approx(either)


def test_a_topic_of_each_document_is_in_the_shuffle_chance_but_not_in_the_marginal() -> None:
    trace = MemoryTrace([constant(20, route=(e, e + 1), name=str(e)) for e in range(0, 8, 2)])
    each = found(repetition(trace))["first", 1]
    assert (each["value"], each["null_shuffle"], each["null_marginal"]) == (1, 1, 0.25)


@pytest.mark.parametrize("measure", ["rate", "kappa"])
def test_intervals_hold_the_value(measure: str) -> None:
    trace = MemoryTrace([skewed(80, seed=seed) for seed in range(12)])  # type: ignore[misc]
    rows = repetition(trace, intervals=Intervals(replicates=300), measure=measure, lag=[1, 3])
    assert all(each["lo"] < each["value"] < each["hi"] for each in rows)
    assert len(rows) == 4


def test_a_kappa_of_constant_routes_is_no_number() -> None:
    rows = repetition(MemoryTrace([constant(5), constant(5, name="b")]), measure="kappa", intervals=Intervals())
    assert {(each["value"], each["lo"]) for each in rows} == {(None, None)}


def test_counts_without_rows_say_the_same_but_for_other_orders() -> None:
    trace = MemoryTrace([uniform(80, num_layers=2, seed=seed, name=str(seed)) for seed in range(20)])
    counts = Accumulators.over(trace, contents=Contents(lags=(1, 2), replicates=300))
    rows = repetition(trace, lag=[1, 2], choice=ALL)
    kept = repetition(counts, lag=[1, 2], choice=ALL, intervals=Intervals())
    for each, other in zip(rows, kept, strict=True):
        assert {**each, "null_shuffle": None} == {**other, "lo": None, "hi": None}
        assert (other["lo"] is None) == (other["lag"] == 2)
    wide = repetition(trace, choice=ALL, intervals=Intervals(replicates=300))
    widths = [[each["hi"] - each["lo"] for each in some if each["lag"] == 1] for some in (wide, kept)]
    assert np.mean(widths[0]) == pytest.approx(np.mean(widths[1]), rel=0.25)


def test_routes_without_codes_repeat_alike() -> None:
    documents = [uniform(300, num_experts=20, k=3, num_layers=2, seed=seed, name=str(seed)) for seed in range(3)]
    rows = repetition(MemoryTrace(documents, manifest_of(documents, num_experts=20)), choice=ALL, lag=[1, 2])
    for each in found(rows).values():
        assert each["value"] == pytest.approx(each["null_uniform"], abs=0.05)
        assert each["null_shuffle"] == pytest.approx(each["null_uniform"], abs=0.05)
        assert each["null_marginal"] == pytest.approx(each["null_uniform"], abs=0.05)


def test_sets_without_codes_have_a_marginal_chance_of_whole_sets() -> None:
    halves = [[(0, 1, 2)] * 60, [(3, 4, 5)] * 60]
    documents = [document(routes, name=str(place)) for place, routes in enumerate(halves)]
    rows = found(repetition(MemoryTrace(documents, manifest_of(documents, num_experts=20)), choice=ALL))
    for choice in ALL:
        assert rows[choice, 1]["null_marginal"] == pytest.approx(0.5, abs=0.1)
        assert rows[choice, 1]["null_shuffle"] == 1


def test_pairs_across_documents_count_where_asked_and_have_no_other_order() -> None:
    trace = MemoryTrace([constant(2, name="a"), constant(2, name="b", route=(5, 3))])
    rows = found(repetition(trace, selection=Selection(across_documents=True), choice=ALL))
    assert [rows[choice, 1]["value"] for choice in ALL] == pytest.approx([2 / 3, 1, 2 / 3, 1])
    assert {each["null_shuffle"] for each in rows.values()} == {None}


def test_counts_that_know_no_pairs_still_give_the_chance_of_their_frequencies() -> None:
    counts = Accumulators.over(MemoryTrace([period_two(8)]), contents=Contents(lags=(), replicates=0))
    first, either = repetition(counts)
    assert (first["value"], first["n"], first["null_uniform"], first["null_marginal"]) == (None, 0, 1 / 8, 0.5)
    assert (either["value"], either["null_marginal"]) == (None, None)


def test_what_is_not_there_is_refused() -> None:
    trace = MemoryTrace([constant(3)])
    with pytest.raises(TraceError, match="no repetition of 'third'"):
        repetition(trace, choice=["third"])
    with pytest.raises(TraceError, match="repetition as 'x'"):
        repetition(trace, measure="x")
    with pytest.raises(TraceError, match="lags \\[0\\]"):
        repetition(trace, lag=[0])
    with pytest.raises(TraceError, match="without lag 3: they have \\[1\\]"):
        repetition(Accumulators.over(trace), lag=[3])
    blind = MemoryTrace(trace.given, manifest_of(trace.given, rank_ordered=False))
    assert {each["choice"] for each in repetition(blind)} == {"either"}
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        repetition(blind, choice=["exact"])
