"""Which experts come together: by hand, by both conventions, and by chance."""

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.codes import RouteCoding
from octavo.analysis.statistics import Intervals
from octavo.analysis.statistics.coactivation import coactivation, marginal_chances, together_CEE
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, document, manifest_of, uniform

HAND = MemoryTrace([document([(0, 1), (1, 0), (0, 2), (3, 4)])])
MANY = [uniform(400, num_experts=64, k=8, seed=seed, name=str(seed)) for seed in range(3)]


def test_four_tokens_by_hand() -> None:
    found = {(each["expert"], each["other"]): each for each in coactivation(HAND)}
    assert found[0, 1]["value"] == pytest.approx(2 / 3)
    assert found[1, 0]["value"] == 1
    assert found[0, 2]["value"] == pytest.approx(1 / 3)
    assert found[0, 1]["n"] == 3
    assert found[7, 0]["value"] is None
    assert (0, 0) not in found
    assert found[0, 1]["null_uniform"] == pytest.approx(1 / 7)
    # Of the five choices that are not of expert 0, two are of expert 1.
    assert found[0, 1]["null_marginal"] == pytest.approx(2 / 5)


def test_two_experts_a_token_are_neighbours() -> None:
    assert coactivation(HAND, compat="olmoe-code") == coactivation(HAND) == coactivation(HAND, compat="olmoe")


@pytest.mark.parametrize(("compat", "total", "chance"), [("olmoe", 7, 1 / 9), ("olmoe-code", 1.75, 1 / 36)])
def test_eight_of_sixty_four_by_both_conventions(compat: str, total: float, chance: float) -> None:
    trace = MemoryTrace(MANY, manifest_of(MANY, num_experts=64))
    for source in (trace, Accumulators.over(trace)):
        rows = coactivation(source, compat=compat)
        value_EE = np.zeros((64, 64))
        for each in rows:
            value_EE[each["expert"], each["other"]] = each["value"]
        # Each token fills as many places beside each of its experts, so rows sum alike on the whole.
        chosen_E = np.array([next(each["n"] for each in rows if each["expert"] == expert) for expert in range(64)])
        assert (value_EE.sum(axis=1) * chosen_E).sum() / chosen_E.sum() == pytest.approx(total)
        if compat == "olmoe":
            assert value_EE.sum(axis=1).tolist() == pytest.approx([total] * 64)
        assert value_EE[~np.eye(64, dtype=bool)].mean() == pytest.approx(chance, rel=0.02)
        assert rows[0]["null_uniform"] == pytest.approx(chance)


def test_rows_of_a_random_trace_sum_to_one_for_two_experts() -> None:
    rows = coactivation(MemoryTrace([uniform(500)]))
    for expert in range(8):
        assert sum(each["value"] for each in rows if each["expert"] == expert) == pytest.approx(1)
        assert sum(each["null_marginal"] for each in rows if each["expert"] == expert) == pytest.approx(1)


def test_codes_know_their_neighbours() -> None:
    coding = RouteCoding(6, 3)
    code = int(coding.encode(np.array([[4, 0, 5]]))[0])
    assert np.argwhere(together_CEE(coding, adjacent=True)[code]).tolist() == [[0, 4], [0, 5], [4, 0], [5, 0]]
    assert together_CEE(coding, adjacent=False)[code].sum() == 6


def test_intervals_hold_the_value_most_often() -> None:
    trace = MemoryTrace([uniform(100, seed=seed, name=str(seed)) for seed in range(8)])
    rows = coactivation(trace, intervals=Intervals(replicates=200))
    assert all(each["lo"] <= each["value"] <= each["hi"] for each in rows)


def test_marginal_chances_are_even_for_even_loads() -> None:
    assert marginal_chances(np.full(8, 5), 2)[0, 1] == pytest.approx(1 / 7)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(TraceError, match="compatible with 'x': want olmoe or olmoe-code"):
        coactivation(HAND, compat="x")
    with pytest.raises(TraceError, match="nobody knows the order of ranks"):
        coactivation(MemoryTrace(MANY, manifest_of(MANY, num_experts=64, rank_ordered=None)), compat="olmoe-code")
