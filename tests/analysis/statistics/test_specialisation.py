"""Whether domains go to experts of their own: known answers, and a test that holds what it promises."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics import Intervals
from octavo.analysis.statistics.rows import Row
from octavo.analysis.statistics.specialisation import domain_specialisation
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, document, uniform


def pick(rows: list[Row], measure: str, **keys: Any) -> list[Row]:
    wanted = {"measure": measure, **keys}
    return [each for each in rows if all(each[name] == want for name, want in wanted.items())]


def two_domains(one: tuple[int, int], other: tuple[int, int], *, documents: int = 4) -> MemoryTrace:
    return MemoryTrace(
        [
            constant(5, route=route, domain=domain, name=f"{domain}{number}")
            for domain, route in (("a", one), ("b", other))
            for number in range(documents)
        ]
    )


def random_domains(seed: int) -> MemoryTrace:
    """Two domains of one kind, whose documents each have a taste of their own."""
    rng = np.random.default_rng(seed)
    documents = []
    for number in range(16):
        share_E = rng.dirichlet(np.full(8, 2.0))
        routes = [tuple(rng.choice(8, 2, replace=False, p=share_E)) for _ in range(40)]
        documents.append(document(routes, domain="ab"[number % 2], name=str(number)))
    return MemoryTrace(documents)


def test_identical_domains_are_no_distance_apart() -> None:
    rows = domain_specialisation(two_domains((0, 1), (1, 0)))
    assert pick(rows, "jsd")[0]["value"] == 0
    assert pick(rows, "p")[0]["value"] == 1
    assert {each["value"] for each in pick(rows, "lift")} == {1, None}
    rows = domain_specialisation(two_domains((0, 1), (1, 0)), choice="first")
    assert pick(rows, "jsd")[0]["value"] == 1


def test_disjoint_domains_are_a_bit_apart() -> None:
    rows = domain_specialisation(two_domains((0, 1), (2, 3)))
    (jsd,), (normalised,), (p,) = (pick(rows, measure) for measure in ("jsd", "jsd-normalised", "p"))
    assert (jsd["domain"], jsd["other"], jsd["n"]) == ("a", "b", 8)
    assert jsd["value"] == pytest.approx(1)
    assert normalised["value"] == pytest.approx(0.5)  # two of three bits are left when each domain has two experts
    assert jsd["null_shuffle"] < 0.5
    assert p["value"] < 0.06


def test_shares_are_of_tokens_and_lift_is_beside_all_domains() -> None:
    rows = domain_specialisation(two_domains((0, 1), (0, 2)), measure=["share", "lift"])
    share = pick(rows, "share", domain="a")
    assert [each["value"] for each in share[:3]] == [1, 1, 0]
    assert {each["null_uniform"] for each in share} == {0.25}
    assert share[1]["null_marginal"] == 0.5
    assert [each["value"] for each in pick(rows, "lift", domain="a")[:4]] == [1, 2, 0, None]


def test_p_is_even_when_domains_are_of_one_kind() -> None:
    found = [
        pick(domain_specialisation(random_domains(seed), measure=["p"], relabelings=49), "p")[0]["value"]
        for seed in range(25)
    ]
    assert np.mean(np.array(found) <= 0.1) < 0.25
    assert np.mean(found) == pytest.approx(0.5, abs=0.15)


def test_the_shuffle_null_is_what_documents_alone_give() -> None:
    rows = domain_specialisation(random_domains(0), measure=["jsd"], intervals=Intervals(replicates=200))
    (jsd,) = pick(rows, "jsd")
    assert jsd["null_shuffle"] > 0.001
    assert jsd["value"] == pytest.approx(jsd["null_shuffle"], rel=1)
    assert 0 <= jsd["lo"] <= jsd["value"] <= jsd["hi"]


def test_counts_without_rows_say_the_same_but_for_relabelings() -> None:
    trace = MemoryTrace(
        [
            uniform(60, num_layers=2, domain=domain, name=f"{domain}{number}", seed=number)
            for domain in "abc"
            for number in range(3)
        ]
    )
    counts = Accumulators.over(trace, contents=Contents(replicates=100))
    rows, kept = domain_specialisation(trace), domain_specialisation(counts, intervals=Intervals())
    assert [{**each, "null_shuffle": None} for each in rows if each["measure"] != "p"] == [
        {**each, "lo": None, "hi": None} for each in kept
    ]
    assert len(pick(kept, "jsd")) == 3 * 2
    with pytest.raises(TraceError, match="here are counts only"):
        domain_specialisation(counts, measure=["p"])


def test_one_document_has_no_p() -> None:
    rows = domain_specialisation(two_domains((0, 1), (2, 3), documents=1))
    assert pick(rows, "p")[0]["value"] is None
    assert pick(rows, "jsd")[0]["value"] == pytest.approx(1)


def test_the_same_seed_gives_the_same_rows() -> None:
    first, again, other = (domain_specialisation(random_domains(1), measure=["jsd"], seed=seed) for seed in (0, 0, 1))
    assert first == again != other


def test_what_is_not_there_is_refused() -> None:
    with pytest.raises(TraceError, match="no specialisation as 'x'"):
        domain_specialisation(two_domains((0, 1), (2, 3)), measure=["x"])
    with pytest.raises(TraceError, match="0 relabelings"):
        domain_specialisation(two_domains((0, 1), (2, 3)), relabelings=0)
    with pytest.raises(TraceError, match="no choice 'exact'"):
        domain_specialisation(two_domains((0, 1), (2, 3)), choice="exact")
