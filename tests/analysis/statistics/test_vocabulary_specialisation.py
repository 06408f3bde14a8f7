"""Specialisation by vocabulary is what is left when chance is taken off, and of random routers nothing is."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.token_counts import TokenCounts
from octavo.analysis.statistics.vocabulary_specialisation import (
    sets_with,
    specialisation_rows,
    vocabulary_specialisation,
)
from octavo.errors import TraceError
from tests.analysis.statistics.mixtral import mixtral_counts
from tests.analysis.synthetic import MemoryTrace, by_token, document, manifest_of, uniform


def measures(rows: list[dict[str, Any]], result: str = "value") -> dict[str, Any]:
    return {each["measure"]: each[result] for each in rows}


def zipf_counts() -> np.ndarray:
    """How often each id occurs in a text of 410,000 tokens, N(x) ~ 1 / (x + 2.7) after Zipf and Mandelbrot: with 16,000
    ids the raw form gives what it was found to give on as many tokens of C4, for 8 experts and for 64."""
    share_X = 1 / (np.arange(16_000) + 2.7)
    return np.random.default_rng(0).multinomial(410_000, share_X / share_X.sum())


def random_counts(num_experts: int) -> TokenCounts:
    rng = np.random.default_rng(1)
    table = rng.multinomial(zipf_counts(), np.full(num_experts, 1 / num_experts))[None]
    return TokenCounts.of_table(table, layers=(0,), k=1, choice="first")


@pytest.mark.parametrize(("num_experts", "raw"), [(8, 0.375), (64, 0.253)])
def test_random_routers_seem_specialised_in_the_raw_form_and_are_not(num_experts: int, raw: float) -> None:
    counts = random_counts(num_experts)
    published = measures(specialisation_rows(counts, compat="olmoe"))
    assert published["olmoe"] == pytest.approx(raw, abs=0.01)
    assert abs(measures(specialisation_rows(counts))["excess"]) < 0.002


def test_random_routes_of_a_trace_have_no_excess() -> None:
    rows = vocabulary_specialisation(
        MemoryTrace([uniform(20_000, vocabulary=400, seed=seed, name=str(seed)) for seed in (1, 2)])
    )
    found = measures(rows)
    assert abs(found["excess"]) < 0.006
    assert found["share"] > 0.17
    assert found["held-out"] == pytest.approx(0.125, abs=0.01)


@pytest.mark.parametrize("choice", ["first", "either"])
def test_an_expert_for_each_id_is_wholly_specialised(choice: str) -> None:
    rng = np.random.default_rng(0)
    documents = [by_token(rng.integers(64, size=3000).tolist(), name=str(number)) for number in range(4)]
    rows = vocabulary_specialisation(MemoryTrace(documents), choice=choice, intervals=Intervals())
    assert measures(rows)["share"] == 1.0
    assert measures(rows)["held-out"] == 1.0
    assert measures(rows, "lo")["held-out"] == 1.0
    assert measures(vocabulary_specialisation(MemoryTrace(documents), choice=choice, compat="olmoe"))["olmoe"] == 1.0


def test_random_pairs_of_experts_have_no_excess_either() -> None:
    rows = vocabulary_specialisation(MemoryTrace([uniform(30_000, vocabulary=600)]), choice="either")
    assert abs(measures(rows)["excess"]) < 0.008
    assert measures(rows, "null_uniform")["share"] == 0.25


def test_many_experts_are_drawn_one_by_one() -> None:
    counts = random_counts(64)
    pairs = TokenCounts.of_table(counts.count_LXE * 8, layers=(0,), k=8)
    assert abs(measures(specialisation_rows(pairs))["excess"]) < 0.3


def test_an_id_seen_once_counts_only_in_the_raw_form() -> None:
    table = np.zeros((1, 3, 2), np.int64)
    table[0] = [[1, 0], [0, 1], [10, 10]]
    counts = TokenCounts.of_table(table, layers=(5,), k=1, choice="first")
    assert measures(specialisation_rows(counts, compat="olmoe"))["olmoe"] == pytest.approx(2.5 / 3)
    (share, _) = specialisation_rows(counts)
    assert (share["value"], share["n"], share["layer"]) == (0.5, 20, 5)


def test_nothing_frequent_enough_gives_no_value() -> None:
    rows = vocabulary_specialisation(MemoryTrace([by_token([1, 2, 3])]))
    assert {each["measure"]: (each["value"], each["n"]) for each in rows} == {
        "share": (None, 0),
        "excess": (None, 0),
        "held-out": (None, 0),
    }


def test_held_out_documents_have_an_interval_and_a_chance() -> None:
    rng = np.random.default_rng(0)
    documents = []
    for number in range(12):
        ids = rng.integers(16, size=400)
        first = np.where(rng.random(400) < 0.6 + 0.03 * number, ids % 8, 7)
        routes = [(int(each), (int(each) + 1) % 8) for each in first]
        documents.append(document(routes, tokens=ids.tolist(), name=str(number)))
    rows = vocabulary_specialisation(MemoryTrace(documents), intervals=Intervals())
    held = next(each for each in rows if each["measure"] == "held-out")
    assert held["lo"] < held["value"] < held["hi"]
    assert held["value"] > held["null_marginal"] > held["null_uniform"]


def test_sets_are_drawn_with_the_frequencies_that_were_seen() -> None:
    used_E = np.array([0.9, 0.3, 0.3, 0.1, 0.1, 0.1, 0.1, 0.1])
    member_SE, chance_S = sets_with(used_E, 2)
    assert member_SE.shape == (28, 8)
    np.testing.assert_allclose(chance_S @ member_SE, used_E, atol=1e-7)


def test_bad_requests_are_refused() -> None:
    trace = MemoryTrace([by_token([1, 2])])
    with pytest.raises(TraceError, match="no convention"):
        vocabulary_specialisation(trace, compat="paper")
    with pytest.raises(TraceError, match="minimum count"):
        vocabulary_specialisation(trace, min_count=0)


def test_the_real_mixtral_is_specialised_beyond_chance_and_more_so_deeper() -> None:
    counts = mixtral_counts()
    rows = specialisation_rows(counts)
    share = {each["layer"]: each["value"] for each in rows if each["measure"] == "share"}
    excess = {each["layer"]: each["value"] for each in rows if each["measure"] == "excess"}
    assert share == pytest.approx({0: 0.651, 7: 0.652, 15: 0.704}, abs=0.001)
    assert excess == pytest.approx({0: 0.334, 7: 0.347, 15: 0.380}, abs=0.002)
    raw = {each["layer"]: each for each in specialisation_rows(counts, compat="olmoe")}
    assert raw[15]["value"] == pytest.approx(0.831, abs=0.001)
    # More than half of what the raw form reports is what it would report of chance.
    assert raw[15]["null_shuffle"] == pytest.approx(0.580, abs=0.003)


def test_counts_without_rows_give_all_but_the_held_out_share() -> None:
    documents = [by_token([1, 2, 3, 4] * 20)]
    trace = MemoryTrace(documents, manifest_of(documents, vocab_size=10))
    counts = Accumulators.over(trace, contents=Contents(replicates=0))
    wanted = [each for each in vocabulary_specialisation(trace) if each["measure"] != "held-out"]
    assert vocabulary_specialisation(counts) == wanted
