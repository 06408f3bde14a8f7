"""The test of "syntax, not topic" tells a router that reads tokens from one that knows the domain."""

from dataclasses import replace

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics.conditional_information import BIASES, conditional_information
from octavo.analysis.statistics.information import conditional_entropy, entropy
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, by_token, constant, document, random_choice


def words(rng: np.random.Generator, num: int = 300) -> list[int]:
    return np.minimum(rng.zipf(1.3, num), 500).tolist()


def values(trace: MemoryTrace, **options: object) -> dict[str, float]:
    return {each["measure"]: each["value"] for each in conditional_information(trace, **options)}  # type: ignore[arg-type]


def by_tokens() -> MemoryTrace:
    rng = np.random.default_rng(0)
    return MemoryTrace(
        [by_token(words(rng), domain=domain, name=str(number)) for domain in "ab" for number in range(5)]
    )


def by_domains() -> MemoryTrace:
    rng = np.random.default_rng(0)
    return MemoryTrace(
        [
            constant(300, (3 + place, 6), tokens=words(rng), domain=domain, name=str(number))
            for place, domain in enumerate("ab")
            for number in range(5)
        ]
    )


def at_random() -> MemoryTrace:
    rng = np.random.default_rng(0)

    def one(domain: str, number: int) -> DocumentRoutes:
        routes = random_choice(rng, (300,), 8, 2).tolist()
        return document(routes, tokens=words(rng), domain=domain, name=str(number))

    return MemoryTrace([one(domain, number) for domain in "ab" for number in range(5)])


@pytest.mark.parametrize("bias", BIASES)
def test_a_router_that_reads_tokens_is_told_by_the_token_and_by_nothing_else(bias: str) -> None:
    found = values(by_tokens(), bias=bias)
    assert found["token"] == pytest.approx(found["entropy"], rel=3e-3)
    assert found["domain-given-token"] == pytest.approx(0.0, abs=0.02)


def test_a_router_that_knows_the_domain_gives_all_that_the_token_leaves() -> None:
    trace = by_domains()
    found = values(trace)
    token_T = np.concatenate([each.token_T for each in trace.given if each.token_T is not None])
    first_T = np.concatenate([each.expert_TLK[:, 0, 0] for each in trace.given])
    table = np.zeros((501, 8), int)
    np.add.at(table, (token_T, first_T), 1)
    assert found["domain-given-token"] == pytest.approx(conditional_entropy(table))
    assert found["domain-given-token"] > 0.8
    assert found["domain"] == pytest.approx(entropy(table.sum(axis=0)), abs=1e-3)
    assert abs(found["token"]) < 0.02


def test_a_router_that_throws_dice_tells_nothing_once_the_bias_is_off() -> None:
    trace = at_random()
    found = values(trace)
    assert found["entropy"] == pytest.approx(3.0, abs=0.01)
    assert max(abs(found[name]) for name in ("token", "domain", "domain-given-token")) < 0.02
    assert values(trace, bias="none")["token"] > 0.2
    assert values(trace, bias="none")["domain-given-token"] > 0.1


def test_documents_dealt_out_anew_say_what_any_grouping_would_give() -> None:
    rng = np.random.default_rng(2)
    # Every document has an expert of its own, whatever its domain.
    alike = [
        constant(200, (number % 8, (number + 1) % 8), tokens=words(rng, 200), domain=domain, name=str(number))
        for number, domain in enumerate("ab" * 8)
    ]
    found = {each["measure"]: each for each in conditional_information(MemoryTrace(alike))}
    real = found["domain-given-token"]
    assert real["value"] > 0.05
    assert real["null_shuffle"] > 0.05


def test_an_interval_holds_the_value_and_a_single_document_has_none() -> None:
    row = next(
        each for each in conditional_information(by_tokens(), intervals=Intervals()) if each["measure"] == "token"
    )
    assert row["lo"] < row["value"] < row["hi"]
    alone = MemoryTrace([by_token([1, 2, 3, 1, 2])])
    assert all(each["lo"] is None for each in conditional_information(alone, intervals=Intervals()))


def test_fewer_tokens_are_whole_documents() -> None:
    rows = conditional_information(by_tokens(), max_tokens=1600)
    assert {each["n"] for each in rows} == {1800}


def test_what_counts_nothing_has_no_value() -> None:
    trace = MemoryTrace([by_token([1, 2], flags=[4, 4])])
    assert {(each["value"], each["n"]) for each in conditional_information(trace)} == {(None, 0)}


def test_bad_requests_are_refused() -> None:
    with pytest.raises(TraceError, match="want one of permutation"):
        conditional_information(by_tokens(), bias="jackknife")
    with pytest.raises(TraceError, match="want 1 or more"):
        conditional_information(by_tokens(), max_tokens=0)
    without_ids = DocumentRoutes(domain="x", name="a", expert_TLK=np.zeros((3, 1, 1), np.uint8))
    with pytest.raises(TraceError, match="without token ids"):
        conditional_information(MemoryTrace([without_ids]))


def test_counts_without_rows_tell_of_tokens_and_domains_apart() -> None:
    for trace in (by_tokens(), at_random()):
        stated = replace(trace.manifest, vocab_size=501)
        counts = Accumulators.over(MemoryTrace(trace.given, stated), contents=Contents(replicates=0))
        found = {each["measure"]: each for each in conditional_information(counts)}
        assert set(found) == {"entropy", "token", "domain"}
        for each in conditional_information(trace):
            if each["measure"] in found:
                assert found[each["measure"]]["value"] == pytest.approx(each["value"], abs=0.01)
                assert found[each["measure"]]["n"] == each["n"]


def test_a_trace_that_does_not_know_who_came_first_is_refused() -> None:
    trace = by_tokens()
    unknown = MemoryTrace(trace.given, replace(trace.manifest, rank_ordered=None))
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        conditional_information(unknown)
