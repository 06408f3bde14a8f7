"""Two traces of the same tokens agree as much as they were made to, and traces of other tokens are refused."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.saturation import flips, saturation
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, manifest_of, uniform


def first(rows: list[dict[str, Any]], **keys: Any) -> dict[str, Any]:
    return next(each for each in rows if all(each[name] == wanted for name, wanted in keys.items()))


def test_a_trace_agrees_with_itself() -> None:
    trace = MemoryTrace([uniform(200, num_layers=3)])
    assert {each["value"] for each in saturation(trace, trace)} == {1.0}
    assert {each["value"] for each in flips(trace, trace)} == {0.0}


def test_one_of_two_experts_swapped_is_half_the_set_and_a_flip() -> None:
    ours = MemoryTrace([constant(50, (3, 5))])
    theirs = MemoryTrace([constant(50, (3, 6))])
    rows = saturation(ours, theirs)
    assert first(rows, choice="set")["value"] == 0.5
    assert first(rows, choice="first")["value"] == 1.0
    assert first(flips(ours, theirs), choice="set", layer=0)["value"] == 1.0
    assert first(flips(ours, theirs), choice="first", layer=0)["value"] == 0.0


def test_another_order_is_no_flip_of_the_set() -> None:
    ours, theirs = MemoryTrace([constant(50, (3, 5))]), MemoryTrace([constant(50, (5, 3))])
    assert first(flips(ours, theirs), choice="set")["value"] == 0.0
    assert first(flips(ours, theirs), choice="first")["value"] == 1.0


@pytest.mark.parametrize(("num_experts", "k"), [(8, 2), (64, 8)])
def test_independent_routers_agree_by_chance(num_experts: int, k: int) -> None:
    ours = MemoryTrace([uniform(8000, num_experts=num_experts, k=k, seed=1)])
    there = uniform(8000, num_experts=num_experts, k=k, seed=2)
    theirs = MemoryTrace([document(there.expert_TLK.tolist(), tokens=ours.given[0].token_T.tolist())])
    manifest = manifest_of(ours.given, num_experts=num_experts)
    row = first(saturation(MemoryTrace(ours.given, manifest), MemoryTrace(theirs.given, manifest)), choice="set")
    assert row["null_uniform"] == pytest.approx(k / num_experts)
    assert row["null_marginal"] == pytest.approx(k / num_experts, abs=0.002)
    assert row["value"] == pytest.approx(k / num_experts, abs=0.01)


def test_thirty_two_layers_that_flip_one_token_in_ten_leave_few_tokens_alone() -> None:
    rng = np.random.default_rng(0)
    ours = np.tile(np.array([0, 1], np.uint8), (20_000, 32, 1))
    theirs = ours.copy()
    theirs[rng.random((20_000, 32)) < 0.1] = (2, 3)
    rows = flips(MemoryTrace([document(ours.tolist())]), MemoryTrace([document(theirs.tolist())]))
    assert first(rows, layer=None, choice="set")["value"] == pytest.approx(1 - 0.9**32, abs=0.005)
    assert round(1 - 0.9**32, 3) == 0.966
    assert first(rows, layer=7, choice="set")["value"] == pytest.approx(0.1, abs=0.008)


def test_olmoe_counts_control_tokens_too() -> None:
    ours = MemoryTrace([document([(0, 1)] * 4, flags=[3, 0, 0, 0])])
    theirs = MemoryTrace([document([(2, 3)] + [(0, 1)] * 3, flags=[3, 0, 0, 0])])
    assert first(saturation(ours, theirs), choice="set")["value"] == 1.0
    for selection in (None, Selection()):
        assert first(saturation(ours, theirs, compat="olmoe", selection=selection), choice="set")["value"] == 0.75


def test_intervals_come_from_documents() -> None:
    ours = [constant(50, (3, 5), name=str(number)) for number in range(8)]
    theirs = [constant(50, (3, 5 + number % 2), name=str(number)) for number in range(8)]
    row = first(flips(MemoryTrace(ours), MemoryTrace(theirs), intervals=Intervals()), choice="set", layer=0)
    assert row["lo"] < row["value"] == 0.5 < row["hi"]


def test_traces_that_cannot_be_compared_are_refused_in_one_line() -> None:
    trace = MemoryTrace([constant(50)])
    for other, complaint in (
        (MemoryTrace([constant(49)]), "different texts"),
        (MemoryTrace([constant(50, tokens=[1] * 50)]), "different tokens"),
        (MemoryTrace([constant(50, domain="y")]), "different domains"),
        (MemoryTrace([constant(50)], manifest_of([constant(50)], num_experts=16)), "one architecture"),
        (MemoryTrace([uniform(50, num_layers=2)]), "traces of layers"),
        (MemoryTrace([constant(25, name="a"), constant(25, name="b")]), "different tokens"),
    ):
        with pytest.raises(TraceError, match=complaint):
            saturation(trace, other)
    with pytest.raises(TraceError, match="no convention"):
        saturation(trace, trace, compat="paper")


def test_layers_can_be_chosen() -> None:
    trace = MemoryTrace([uniform(20, num_layers=3)])
    assert {each["layer"] for each in saturation(trace, trace, selection=Selection(layers=(2,)))} == {2}


def test_first_choices_are_left_out_where_nobody_knows_them() -> None:
    documents = [constant(5)]
    unknown = MemoryTrace(documents, manifest_of(documents, rank_ordered=None))
    for compare in (saturation, flips):
        assert {each["choice"] for each in compare(MemoryTrace(documents), unknown)} == {"set"}
