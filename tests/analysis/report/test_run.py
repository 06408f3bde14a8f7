"""A run holds every figure of a trace, and leaves out what the trace cannot tell."""

from dataclasses import replace

import numpy as np

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.report.opening import told
from octavo.analysis.report.run import Told, describe_run
from octavo.analysis.report.words import Strings
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.repetition import repetition
from tests.analysis.report.traces import small_trace
from tests.analysis.synthetic import MemoryTrace


def described(source: Told, **selection: bool) -> dict[str, object]:
    found = describe_run(
        source,
        Strings(),
        selection=Selection(**selection),  # type: ignore[arg-type]
        intervals=Intervals(replicates=20),
        room=100_000,
        tell=lambda *_: None,
    )
    return found


def test_a_run_says_what_was_counted_and_on_how_many_tokens() -> None:
    run = described(told(small_trace()))
    assert run["counted"] == "beginning-of-text tokens and other control tokens left out"
    domains = run["domains"]
    assert isinstance(domains, list)
    assert [each["name"] for each in domains] == ["code", "prose", "all domains"]
    assert [each["tokens"] for each in domains] == [174, 174, 348]
    assert [each["documents"] for each in domains] == [3, 3, 6]
    assert described(told(small_trace()), bos=True, special=True)["counted"] == "control tokens counted like any other"
    facts = run["facts"]
    assert isinstance(facts, list)
    assert ["model", "toy"] in facts
    assert ["dtype", "float32"] in facts


def test_the_shuffle_null_is_that_of_the_statistic() -> None:
    run = described(told(small_trace()))
    rates = run["repetition"]
    assert isinstance(rates, dict)
    rows = [row for by in ("domain", "all") for row in repetition(small_trace(), by=by) if row["choice"] == "either"]
    wanted = np.array([row["null_shuffle"] for row in rows]).reshape(3, 4)
    np.testing.assert_allclose(rates["either"]["shuffle"], wanted)


def test_counts_alone_have_neither_texts_nor_courses() -> None:
    run = described(told(Accumulators.over(small_trace())))
    assert (run["excerpts"], run["cards"], run["sampled"]) == ([], None, 0)
    courses = run["courses"]
    assert isinstance(courses, list)
    assert {course["statistic"] for course in courses} == {"load"}
    assert run["intervals"] == ""
    assert run["share"]


def test_a_trace_that_does_not_know_who_was_first_shows_sets_only() -> None:
    trace = small_trace()
    unranked = MemoryTrace(given=trace.given, stated=replace(trace.manifest, rank_ordered=None), tokens=trace.tokens)
    run = described(told(unranked))
    for name in ("share", "repetition"):
        figure = run[name]
        assert isinstance(figure, dict)
        assert list(figure) == ["either"]
    assert run["cards"] is None
    assert run["transitions"] is None


def test_the_distances_stand_beside_those_of_domains_dealt_out_at_random() -> None:
    run = described(told(small_trace()))
    distance = run["distance"]
    assert isinstance(distance, dict)
    for each in distance.values():
        assert each["shuffle"].shape == each["value"].shape == (4, 2, 2)
        assert ((each["p"][:, 0, 1] > 0) & (each["p"][:, 0, 1] <= 1)).all()


def test_a_trace_without_words_says_what_is_left_out() -> None:
    trace = small_trace()
    run = described(told(MemoryTrace(given=trace.given, stated=trace.manifest)))
    facts = run["facts"]
    assert isinstance(facts, list)
    assert any(name == "left out" and said.startswith("word-agreement: ") for name, said in facts)


def test_a_path_is_quoted_for_a_shell() -> None:
    run = described(told(small_trace(), path="my runs/a.route"))
    assert run["path"] == "'my runs/a.route'"
