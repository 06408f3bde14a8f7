"""Transitions between layers are shares of the tokens that chose an expert."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.transitions import layer_pairs, transitions
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, document, manifest_of, uniform

# Two tokens of three layers: (0,1) -> (2,3) -> (4,5) and (0,2) -> (3,2) -> (5,4).
HAND = MemoryTrace([document([[(0, 1), (2, 3), (4, 5)], [(0, 2), (3, 2), (5, 4)]])])


def value_of(rows: list[dict[str, Any]], result: str = "value", **keys: Any) -> Any:
    (found,) = (each for each in rows if all(each[name] == wanted for name, wanted in keys.items()))
    return found[result]


def test_first_choices_follow_first_choices() -> None:
    rows = transitions(HAND)
    assert value_of(rows, layer=0, expert=0, next_expert=2) == 0.5
    assert value_of(rows, layer=0, expert=0, next_expert=3) == 0.5
    assert value_of(rows, "n", layer=0, expert=0, next_expert=3) == 2
    assert value_of(rows, layer=0, expert=1, next_expert=3) is None
    assert value_of(rows, "null_marginal", layer=1, expert=2, next_expert=4) == 0.5


def test_all_pairs_are_k_squared_a_token() -> None:
    rows = transitions(HAND, pairs="all")
    assert value_of(rows, "n", layer=0, expert=0, next_expert=2) == 4
    assert value_of(rows, layer=0, expert=0, next_expert=2) == 0.5
    assert sum(each["n"] for each in rows if each["layer"] == 0) == 2 * 4 * 8


def test_olmoes_code_pairs_equal_ranks_only() -> None:
    rows = transitions(HAND, compat="olmoe-code")
    assert value_of(rows, layer=0, expert=1, next_expert=3) == 1.0
    assert value_of(rows, "n", layer=0, expert=1, next_expert=3) == 1
    assert value_of(rows, layer=0, expert=2, next_expert=2) == 1.0
    assert rows == transitions(HAND, pairs="same-rank")


def test_layers_further_apart_can_be_named() -> None:
    rows = transitions(HAND, steps=[(0, 2)])
    assert {(each["layer"], each["next_layer"]) for each in rows} == {(0, 2)}
    assert value_of(rows, expert=0, next_expert=4) == 0.5
    assert layer_pairs((3, 5, 9), 2) == [(0, 2)]
    assert layer_pairs((3, 5, 9), [(9, 3)]) == [(2, 0)]


def test_a_copied_layer_is_followed_for_sure_and_an_independent_one_by_chance() -> None:
    routed = uniform(4000, num_layers=2)
    copied = np.stack([routed.expert_TLK[:, 0], routed.expert_TLK[:, 0]], axis=1)
    assert {each["value"] for each in transitions(MemoryTrace([document(copied.tolist())]))} == {0.0, 1.0}
    for each in transitions(MemoryTrace([routed])):
        assert each["value"] == pytest.approx(each["null_uniform"], abs=0.07)


def test_counts_without_rows_give_the_same() -> None:
    trace = MemoryTrace([uniform(300, num_layers=3, name="a"), uniform(200, num_layers=3, seed=1, domain="y")])
    counts = Accumulators.over(trace, contents=Contents(replicates=0))
    for pairs in ("first", "all", "same-rank"):
        assert transitions(counts, pairs=pairs) == transitions(trace, pairs=pairs)
    part = Selection(layers=(1, 2))
    assert transitions(counts, selection=part) == transitions(trace, selection=part)
    with pytest.raises(TraceError, match="follow each other"):
        transitions(counts, selection=Selection(layers=(0, 2)))
    with pytest.raises(TraceError, match="keep the rows"):
        transitions(counts, steps=2)


def test_many_experts_are_counted_too() -> None:
    documents = [uniform(500, num_layers=2, num_experts=64, k=8)]
    trace = MemoryTrace(documents, manifest_of(documents, num_experts=64))
    rows = transitions(trace, pairs="all")
    assert sum(each["n"] for each in rows if each["next_expert"] == 0) == 500 * 64


def test_intervals_come_from_documents() -> None:
    trace = MemoryTrace([uniform(100, num_layers=2, seed=seed, name=str(seed)) for seed in range(6)])
    for row in transitions(trace, intervals=Intervals(replicates=200)):
        assert row["lo"] <= row["value"] <= row["hi"]
        assert row["lo"] < row["hi"]
    plain = [each["value"] for each in transitions(trace)]
    assert [each["value"] for each in transitions(trace, intervals=Intervals(replicates=20))] == plain


def test_tokens_that_do_not_count_are_left_out() -> None:
    trace = MemoryTrace([document([[(0, 1), (2, 3)], [(4, 5), (6, 7)]], flags=[3, 0])])
    assert sum(each["n"] for each in transitions(trace)) == 8


def test_bad_requests_are_refused() -> None:
    with pytest.raises(TraceError, match="no pairs"):
        transitions(HAND, pairs="second")
    with pytest.raises(TraceError, match="no convention"):
        transitions(HAND, compat="olmoe")
    with pytest.raises(TraceError, match="layers further"):
        transitions(HAND, steps=3)
    with pytest.raises(TraceError, match="no pair of the layers"):
        transitions(HAND, steps=[(0, 7)])
