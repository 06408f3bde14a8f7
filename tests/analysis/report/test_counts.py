"""The figures of counts are the statistics' own numbers, domain by domain and over all."""

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.report.counts import (
    distance_figures,
    load_rows,
    placement_figure,
    repetition_figures,
    share_figures,
    transition_figure,
)
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.repetition import repetition
from tests.analysis.report.traces import small_trace
from tests.analysis.synthetic import MemoryTrace, constant

TRACE = small_trace()
COUNTS = Accumulators.over(TRACE, contents=Contents(confidence=False, replicates=50))


def test_shares_sum_to_one_and_lie_in_their_intervals() -> None:
    found = share_figures(COUNTS, selection=Selection(), intervals=Intervals(replicates=50))
    assert list(found) == ["first", "second", "either"]
    for each in found.values():
        assert each["value"].shape == (3, 4, 8)
        np.testing.assert_allclose(each["value"].sum(axis=-1), 1)
        assert (each["lo"] <= each["hi"]).all()


def test_repetition_stands_beside_its_chances() -> None:
    found = repetition_figures(COUNTS, None, selection=Selection(), intervals=Intervals(replicates=50))
    assert found["first"]["uniform"] == 1 / 8
    assert found["either"]["uniform"] == pytest.approx(13 / 28)
    rows = [row for row in repetition(TRACE) if row["choice"] == "first" and row["domain"] == "prose"]
    np.testing.assert_allclose(found["first"]["value"][1], [row["value"] for row in rows])
    np.testing.assert_allclose(found["first"]["marginal"][1], [row["null_marginal"] for row in rows])
    assert found["first"]["n"][:, 0].tolist() == [rows[0]["n"], rows[0]["n"], 2 * rows[0]["n"]]


def test_counts_without_documents_have_no_shuffle_null() -> None:
    found = repetition_figures(COUNTS, None, selection=Selection(), intervals=None)
    assert found["first"]["shuffle"] is None
    assert found["first"]["lo"] is None


def test_one_domain_is_not_shown_twice() -> None:
    counts = Accumulators.over(MemoryTrace(given=[constant(5)]))
    found = share_figures(counts, selection=Selection(), intervals=None)
    assert found["first"]["value"].shape == (1, 1, 8)
    assert found["first"]["value"][0, 0].tolist() == [0, 0, 0, 1, 0, 0, 0, 0]
    assert transition_figure(counts, selection=Selection()) is None


def test_two_domains_alike_are_as_far_apart_as_documents_make_them() -> None:
    found = distance_figures(COUNTS, None, selection=Selection())
    assert list(found) == ["first", "either"]
    value_LDD = found["first"]["value"]
    np.testing.assert_array_equal(value_LDD, value_LDD.swapaxes(1, 2))
    assert np.isnan(value_LDD[:, 0, 0]).all()
    assert (value_LDD[:, 0, 1] < 0.1).all()
    assert found["first"]["p"] is None


def test_the_busiest_device_is_never_below_the_mean() -> None:
    found = placement_figure(COUNTS, selection=Selection())
    assert [(each["devices"], each["way"]) for each in found] == [
        (devices, plan) for devices in (2, 4) for plan in ("contiguous", "balanced")
    ]
    assert all((each["value"] >= 1).all() for each in found)


def test_load_is_given_by_layer_for_each_domain_and_for_all() -> None:
    rows = load_rows(COUNTS, selection=Selection(), intervals=None)
    assert {row["domain"] for row in rows} == {"code", "prose", None}
    assert {row["layer"] for row in rows} == {0, 1, 2, 3}


def test_transitions_count_every_token_once() -> None:
    found = transition_figure(COUNTS, selection=Selection())
    assert found is not None
    assert found["count"].shape == (3, 8, 8)
    assert set(found["count"].sum(axis=(1, 2)).tolist()) == {COUNTS.num_tokens} == {found["n"]}
    assert (np.abs(found["information"]) < 0.3).all()
