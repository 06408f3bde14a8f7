"""A router that cannot decide has the entropy of a die, one that is sure has none."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics.confidence import confidence
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, document, manifest_of


def routed(logits: Any, *, weights: Any = None, name: str = "a", **fields: Any) -> DocumentRoutes:
    """One layer of top-2 routing by these logits, one row a token."""
    logits_TE = np.array(logits, np.float32)
    chosen = np.argsort(-logits_TE, axis=1, kind="stable")[:, :2]
    weight_TLK = None if weights is None else np.array(weights, np.float32)[:, None]
    return document(chosen.tolist(), name=name, logits_TLE=logits_TE[:, None], weight_TLK=weight_TLK, **fields)


def values(trace: MemoryTrace, **options: Any) -> dict[str, float]:
    return {each["measure"]: each["value"] for each in confidence(trace, **options)}


def test_equal_logits_are_the_uniform_null() -> None:
    rows = confidence(MemoryTrace([routed(np.zeros((5, 8)))]))
    for each in rows:
        assert each["value"] == pytest.approx(each["null_uniform"]), each
    assert values(MemoryTrace([routed(np.zeros((5, 8)))])) == pytest.approx(
        {"entropy": 2.0794, "effective-experts": 8.0, "margin": 0.0, "first-weight": 0.5}, abs=1e-4
    )


def test_a_sure_router_has_no_entropy() -> None:
    sure = np.zeros((4, 8))
    sure[:, 3] = 200.0
    assert values(MemoryTrace([routed(sure)])) == pytest.approx(
        {"entropy": 0.0, "effective-experts": 1.0, "margin": 1.0, "first-weight": 1.0}
    )


def test_the_mean_is_over_tokens() -> None:
    half = np.zeros((2, 8))
    half[0, 3] = 200.0
    assert values(MemoryTrace([routed(half)]))["effective-experts"] == pytest.approx(4.5)


def test_a_sigmoid_router_is_normalised() -> None:
    made = routed([[0.0, 0.0, -200.0, -200.0]])
    trace = MemoryTrace([made], manifest_of([made], num_experts=4, score_function="sigmoid"))
    assert values(trace)["effective-experts"] == pytest.approx(2.0)
    unknown = MemoryTrace([made], manifest_of([made], num_experts=4, score_function="tanh"))
    with pytest.raises(TraceError, match="want softmax or sigmoid"):
        confidence(unknown)


def test_weights_alone_speak_for_the_chosen_experts_and_say_so() -> None:
    made = document([(0, 1)] * 3, weight_TLK=np.full((3, 1, 2), 0.5, np.float32))
    rows = confidence(MemoryTrace([made]))
    assert {each["basis"] for each in rows} == {"weights"}
    found = {each["measure"]: each["value"] for each in rows}
    assert found == pytest.approx({"entropy": np.log(2), "effective-experts": 2.0, "margin": 0.0, "first-weight": 0.5})


def test_the_weight_that_was_recorded_wins_over_one_worked_out() -> None:
    trace = MemoryTrace([routed(np.zeros((2, 8)), weights=[(0.7, 0.3)] * 2)])
    assert values(trace)["first-weight"] == pytest.approx(0.7)
    assert values(trace, basis="weights")["margin"] == pytest.approx(0.4)


def test_rows_without_routing_do_not_count() -> None:
    logits = np.zeros((3, 8))
    logits[1] = np.nan
    rows = confidence(MemoryTrace([routed(logits, flags=[0, 4, 0])]))
    assert {each["n"] for each in rows} == {2}
    assert {each["measure"]: each["value"] for each in rows}["entropy"] == pytest.approx(np.log(8))


def test_intervals_come_from_documents() -> None:
    sure = np.zeros((4, 8))
    sure[:, 3] = 200.0
    trace = MemoryTrace([routed(sure, name="a"), routed(np.zeros((4, 8)), name="b"), routed(sure, name="c")])
    row = confidence(trace, intervals=Intervals())[0]
    assert row["lo"] < row["value"] < row["hi"]


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(TraceError, match="without weights and logits"):
        confidence(MemoryTrace([document([(0, 1)])]))
    with pytest.raises(TraceError, match="without weights: take"):
        confidence(MemoryTrace([routed(np.zeros((2, 8)))]), basis="weights")
    with pytest.raises(TraceError, match="no basis"):
        confidence(MemoryTrace([routed(np.zeros((2, 8)))]), basis="scores")


def test_counts_without_rows_keep_the_means() -> None:
    rng = np.random.default_rng(0)
    weights = np.sort(rng.random((50, 2)))[:, ::-1]
    trace = MemoryTrace([routed(rng.normal(size=(50, 8)), weights=weights / weights.sum(axis=1, keepdims=True))])
    counts = Accumulators.over(trace, contents=Contents(replicates=0, vocabulary=False))
    wanted = values(trace)
    found = {each["measure"]: each["value"] for each in confidence(counts)}
    assert set(found) == {"entropy", "margin", "first-weight"}
    assert found == pytest.approx({name: wanted[name] for name in found}, abs=1e-6)


def test_where_ranks_are_unknown_the_greatest_weight_is_the_first() -> None:
    made = document([(0, 1)] * 3, weight_TLK=np.tile(np.array([0.2, 0.8], np.float32), (3, 1, 1)))
    trace = MemoryTrace([made], manifest_of([made], rank_ordered=None))
    assert values(trace)["first-weight"] == pytest.approx(0.8)
