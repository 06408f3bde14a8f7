"""Every statistic of the catalogue answers, or refuses in one line, whatever trace it is given."""

import inspect
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.chunk import Flag
from octavo.analysis.statistics import CATALOGUE, Intervals, Selection
from octavo.analysis.statistics.rows import RESULTS, keys_of
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, manifest_of, random_choice, uniform

BOS = int(Flag.BOS | Flag.SPECIAL)
PIECES = {token: f" w{token}".encode() for token in range(100)} | {7: b"\n", 8: b"  "}


def full(num_experts: int, k: int, num_layers: int) -> MemoryTrace:
    """Everything a trace can hold, documents of 1 to 60 tokens, some of whose routes nobody knows."""
    rng = np.random.default_rng(num_experts)
    documents = []
    for number, size in enumerate([1, 60, 2, 33, 17, 5]):
        flags = rng.choice([0, 0, 0, int(Flag.TIE), int(Flag.MISSING)], size=size)
        flags[0] = BOS
        weights = rng.random((size, num_layers, k)).astype(np.float32)
        documents.append(
            document(
                random_choice(rng, (size, num_layers), num_experts, k).tolist(),
                domain="ab"[number % 2],
                name=str(number),
                tokens=rng.integers(12, size=size).tolist(),
                flags=flags.tolist(),
                weight_TLK=weights / weights.sum(axis=2, keepdims=True),
                logits_TLE=rng.normal(size=(size, num_layers, num_experts)).astype(np.float32),
                prediction_T=rng.integers(100, size=size).astype(np.uint32),
            )
        )
    return MemoryTrace(documents, manifest_of(documents, num_experts=num_experts), tokens=PIECES)


def bare() -> MemoryTrace:
    routes = random_choice(np.random.default_rng(0), (30, 2), 8, 2)
    return MemoryTrace([DocumentRoutes(domain="x", name="a", expert_TLK=routes)])


def unranked() -> MemoryTrace:
    documents = [uniform(40, num_layers=2, name=name) for name in "ab"]
    return MemoryTrace(documents, manifest_of(documents, rank_ordered=None), tokens=PIECES)


TRACES = {
    "two of eight": full(8, 2, 3),
    "one of four": full(4, 1, 2),
    "eight of sixty-four": full(64, 8, 2),
    "both of two": full(2, 2, 1),
    "one layer, one document": MemoryTrace([constant(9)], tokens=PIECES),
    "one token": MemoryTrace([constant(1)], tokens=PIECES),
    "nothing that counts": MemoryTrace([constant(5, flags=[4] * 5)], tokens=PIECES),
    "routes alone": bare(),
    "ranks unknown": unranked(),
}


def asked(name: str, trace: MemoryTrace, **options: Any) -> list[dict[str, Any]] | None:
    statistic = CATALOGUE[name]
    try:
        return statistic.function(*[trace] * statistic.traces, **options)
    except TraceError as error:
        assert "\n" not in str(error)
        return None


@pytest.mark.parametrize("name", CATALOGUE)
@pytest.mark.parametrize("kind", TRACES)
def test_a_statistic_gives_rows_or_says_why_not(name: str, kind: str) -> None:
    rows = asked(name, TRACES[kind], selection=Selection(), intervals=Intervals(replicates=20))
    for row in rows or ():
        assert tuple(row)[-len(RESULTS) :] == RESULTS
        assert (row["value"] is None) or row["n"] > 0 or name == "coloured-text"
        assert row["lo"] is None or row["lo"] <= row["hi"]
        json.dumps(row, allow_nan=False)


@pytest.mark.parametrize("name", CATALOGUE)
def test_a_full_trace_can_be_asked_anything(name: str) -> None:
    assert asked(name, TRACES["two of eight"])


@pytest.mark.parametrize("name", CATALOGUE)
def test_the_same_question_has_the_same_answer(name: str) -> None:
    trace = TRACES["two of eight"]
    options = {"selection": Selection(), "intervals": Intervals(replicates=10)}
    assert asked(name, trace, **options) == asked(name, trace, **options)


@pytest.mark.parametrize("name", CATALOGUE)
def test_layers_and_domains_can_be_chosen(name: str) -> None:
    rows = asked(name, TRACES["two of eight"], selection=Selection(layers=(1, 2), domains=("b",)))
    for row in rows or ():
        assert row.get("layer") in (1, 2, None)
        assert row.get("domain") in ("b", None)


GROUPED = [name for name, each in CATALOGUE.items() if "by" in inspect.signature(each.function).parameters]


@pytest.mark.parametrize("name", GROUPED)
def test_one_domain_is_all_of_itself(name: str) -> None:
    selection = Selection(domains=("a",))
    trace = TRACES["two of eight"]
    each = asked(name, trace, selection=selection, by="domain") or []
    every = asked(name, trace, selection=selection, by="all") or []
    assert [{**row, "domain": None} for row in each] == every or name in {"paths"}
    assert {row["domain"] for row in each} <= {"a"}
    with pytest.raises(TraceError, match="want by 'domain', or by 'all'"):
        CATALOGUE[name].function(*[trace] * CATALOGUE[name].traces, by="layer")


@pytest.mark.parametrize("name", GROUPED)
def test_all_domains_together_count_every_domain(name: str) -> None:
    trace = TRACES["two of eight"]
    each = asked(name, trace, by="domain") or []
    every = asked(name, trace, by="all") or []
    assert {row["domain"] for row in every} <= {None}
    if name not in {"layer-information", "transitions", "co-activation", "paths", "placement", "word-agreement"}:
        assert sum(row["n"] for row in each) == sum(row["n"] for row in every)


ACCUMULATED = [name for name, statistic in CATALOGUE.items() if statistic.accumulated]
DRAWN = {"conditional-information"}  # its chance is another draw from counts: near, not equal


@pytest.mark.parametrize("name", ACCUMULATED)
def test_counts_in_place_of_rows_give_the_same_values(name: str) -> None:
    trace = TRACES["two of eight"]
    stated = MemoryTrace(trace.given, replace(trace.manifest, vocab_size=100))
    counts = Accumulators.over(stated, contents=Contents(replicates=10))
    wanted = {str(keys_of(each)): each for each in asked(name, stated) or ()}
    found = CATALOGUE[name].function(counts, selection=Selection(), intervals=Intervals(replicates=10))
    assert found
    for row in found:
        other = wanted[str(keys_of(row))]
        assert row["n"] == other["n"], row
        near = 0.25 if name in DRAWN else 1e-6
        assert row["value"] == (None if other["value"] is None else pytest.approx(other["value"], abs=near)), row


def test_every_statistic_takes_a_selection_and_intervals_by_name() -> None:
    for name, statistic in CATALOGUE.items():
        parameters = inspect.signature(statistic.function).parameters
        assert parameters["selection"].kind is inspect.Parameter.KEYWORD_ONLY, name
        assert parameters["intervals"].kind is inspect.Parameter.KEYWORD_ONLY, name
        assert statistic.meaning[0].islower() and not statistic.meaning.endswith("."), name
