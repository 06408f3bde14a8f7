"""What chance gives: against enumeration, simulation and published values."""

import itertools
import math

import numpy as np
import pytest

from octavo.analysis.codes import RouteCoding
from octavo.analysis.statistics import nulls

SIZES = [(8, 2), (4, 1), (5, 3), (6, 4), (3, 3)]


def related(coding: RouteCoding) -> np.ndarray:
    """Which codes share an expert."""
    member_CE = coding.member_CE().astype(int)
    return np.asarray(member_CE @ member_CE.T > 0)


def test_mixtrals_published_chances() -> None:
    assert nulls.share(8) == 0.125
    assert nulls.share_of_tokens(8, 2) == 0.25
    assert nulls.first(8) == 0.125
    assert nulls.either(8, 2) == pytest.approx(13 / 28)
    assert nulls.coactivation(64, 8) == pytest.approx(1 / 9)
    assert nulls.adjacent_coactivation(64, 8) == pytest.approx(0.0278, abs=5e-5)
    assert nulls.adjacent_coactivation(8, 2) == nulls.coactivation(8, 2)


@pytest.mark.parametrize(("num_experts", "k"), SIZES)
def test_uniform_chances_are_those_of_enumeration(num_experts: int, k: int) -> None:
    choices = list(itertools.permutations(range(num_experts), k))
    one = choices[0]
    assert nulls.first(num_experts) == pytest.approx(np.mean([each[0] == one[0] for each in choices]))
    assert nulls.either(num_experts, k) == pytest.approx(np.mean([bool(set(each) & set(one)) for each in choices]))
    assert nulls.exact(num_experts, k) == pytest.approx(np.mean([each == one for each in choices]))
    assert nulls.order_free(num_experts, k) == pytest.approx(np.mean([set(each) == set(one) for each in choices]))


def test_one_expert_has_no_partner() -> None:
    assert math.isnan(nulls.coactivation(1, 1))


def test_even_marginals_give_the_uniform_chances() -> None:
    coding = RouteCoding(8, 2)
    count_C = coding.legal_C().astype(np.int64) * 7
    assert nulls.first_marginal(np.full(8, 3)) == pytest.approx(1 / 8)
    assert nulls.related_marginal(count_C, related(coding)) == pytest.approx(13 / 28)


def test_sets_are_drawn_whole() -> None:
    # Half the tokens choose {0, 1}, half {2, 3}: two draws share an expert half of the time. Drawing the experts one by
    # one, each of four with chance 1/4, would say 1 − C(2, 2)/C(4, 2) = 5/6.
    coding = RouteCoding(4, 2)
    count_C = np.zeros(coding.size, np.int64)
    count_C[coding.encode(np.array([[0, 1], [2, 3]]))] = 5
    assert nulls.related_marginal(count_C, related(coding)) == 0.5


def test_nothing_counted_has_no_chance() -> None:
    assert math.isnan(nulls.first_marginal(np.zeros(8, np.int64)))


def test_the_shuffle_null_is_the_mean_over_all_orders() -> None:
    first_T = [0, 0, 1, 2, 0]
    count_SC = np.array([[3, 1, 1]])
    for lag in (1, 2):
        rates = [
            np.mean([order[t] == order[t + lag] for t in range(len(order) - lag)])
            for order in itertools.permutations(first_T)
        ]
        assert nulls.shuffled(count_SC, np.eye(3, dtype=bool))[0] == pytest.approx(np.mean(rates))


def test_the_shuffle_null_of_sets_is_the_mean_over_all_orders() -> None:
    coding = RouteCoding(4, 2)
    code_T = coding.encode(np.array([[0, 1], [1, 2], [2, 3], [3, 2], [0, 2]])).astype(int)
    related_CC = related(coding)
    rates = [
        np.mean([related_CC[a, b] for a, b in itertools.pairwise(order)]) for order in itertools.permutations(code_T)
    ]
    count_SC = np.bincount(code_T, minlength=coding.size)[None]
    assert nulls.shuffled(count_SC, related_CC)[0] == pytest.approx(np.mean(rates))


def test_documents_count_by_their_pairs_and_one_token_has_no_chance() -> None:
    count_SC = np.array([[2, 0], [1, 1], [1, 0]])
    chance_S = nulls.shuffled(count_SC, np.eye(2, dtype=bool))
    assert chance_S[:2].tolist() == [1.0, 0.0]
    assert math.isnan(chance_S[2])
    assert nulls.expected_over_documents(chance_S, np.array([1, 3, 0])) == (1.0, 4)
