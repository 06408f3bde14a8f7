"""Figures are worked out by hand and compared."""

import pytest

from octavo.client.bench_summary import Wanted, details, summarise
from octavo.client.timing import Timed

# Two requests that overlap, and one that failed.
RUN = [
    Timed(started=10.0, ttft=0.1, itl=(0.1, 0.3), latency=0.5, prompt_tokens=4, output_tokens=3, text="abc"),
    Timed(started=10.2, ttft=0.3, itl=(), latency=0.3, prompt_tokens=6, output_tokens=1, text="d"),
    Timed(started=10.4, error="busy"),
]


def test_throughput_counts_what_ended_well() -> None:
    found = summarise(RUN, 2.0, Wanted())
    assert (found["completed"], found["failed"]) == (2, 1)
    assert (found["total_input_tokens"], found["total_output_tokens"]) == (10, 4)
    assert found["request_throughput"] == 1.0
    assert found["output_throughput"] == 2.0
    assert found["total_token_throughput"] == 7.0
    assert found["max_concurrent_requests"] == 2
    assert found["max_output_tokens_per_s"] == 4.0


def test_waits_are_in_milliseconds() -> None:
    found = summarise(RUN, 2.0, Wanted(percentiles=(50.0, 99.9)))
    assert found["mean_ttft_ms"] == pytest.approx(200)
    assert found["median_ttft_ms"] == pytest.approx(200)
    assert found["std_ttft_ms"] == pytest.approx(100)
    assert found["p50_ttft_ms"] == pytest.approx(200)
    assert found["p99.9_ttft_ms"] == pytest.approx(299.8)
    assert found["mean_itl_ms"] == pytest.approx(200)
    assert found["mean_e2el_ms"] == pytest.approx(400)
    # A text of one token has no time per token.
    assert found["mean_tpot_ms"] == pytest.approx(200)


def test_goodput_counts_those_within_every_bound() -> None:
    assert summarise(RUN, 2.0, Wanted())["request_goodput"] is None
    assert summarise(RUN, 2.0, Wanted(goodput={"ttft": 150.0}))["request_goodput"] == 0.5
    assert summarise(RUN, 2.0, Wanted(goodput={"ttft": 400.0, "tpot": 100.0}))["request_goodput"] == 0.5
    assert summarise(RUN, 2.0, Wanted(goodput={"e2el": 600.0}))["request_goodput"] == 1.0


def test_a_run_in_which_nothing_ended_well_is_all_zeros() -> None:
    found = summarise(RUN[2:], 1.0, Wanted())
    assert found["completed"] == found["mean_ttft_ms"] == found["p99_itl_ms"] == found["max_concurrent_requests"] == 0


def test_a_request_that_ends_as_another_begins_is_not_at_once_with_it() -> None:
    run = [Timed(started=0.0, latency=1.0), Timed(started=1.0, latency=1.0)]
    assert summarise(run, 2.0, Wanted())["max_concurrent_requests"] == 1


def test_details_keep_every_request() -> None:
    found = details(RUN)
    assert found["errors"] == ["", "", "busy"]
    assert found["output_lens"] == [3, 1, 0]
    assert found["itls"][0] == [0.1, 0.3]
