"""In which ways one route repeats another: look-ups and comparisons, against sets in Python."""

import itertools

import numpy as np
import pytest

from octavo.analysis.codes import RouteCoding
from octavo.analysis.relations import CHOICES, answers, choice_relations, code_relations, expert_relations


def by_hand(one: tuple[int, ...], other: tuple[int, ...]) -> list[bool]:
    return [one[0] == other[0], bool(set(one) & set(other)), one == other, set(one) == set(other)]


@pytest.mark.parametrize(("num_experts", "k"), [(8, 2), (5, 3), (4, 1), (3, 3)])
def test_codes_and_comparisons_answer_as_sets_do(num_experts: int, k: int) -> None:
    coding = RouteCoding(num_experts, k)
    routes = list(itertools.permutations(range(num_experts), k))
    one_TK, other_TK = (np.array(side) for side in zip(*itertools.product(routes, routes), strict=True))
    bits_T = code_relations(coding)[coding.encode(one_TK), coding.encode(other_TK)]
    assert (bits_T == expert_relations(one_TK, other_TK, num_experts)).all()
    wanted = [by_hand(tuple(one), tuple(other)) for one, other in zip(one_TK.tolist(), other_TK.tolist(), strict=True)]
    assert [[bool(bits >> place & 1) for place in range(4)] for bits in bits_T.tolist()] == wanted


def test_more_experts_than_a_word_has_bits() -> None:
    one_TK, other_TK = np.array([[3, 130], [3, 130], [1, 2]]), np.array([[130, 3], [67, 2], [2, 1]])
    bits_T = expert_relations(one_TK, other_TK, 200)
    assert answers(np.bincount(bits_T, minlength=16)).tolist() == [0, 2, 0, 2]


def test_a_swap_repeats_the_set_but_not_the_first_choice() -> None:
    coding = RouteCoding(8, 2)
    here, there = coding.encode(np.array([[0, 1], [1, 0]]))
    found = {choice: bool(choice_relations(coding, choice)[here, there]) for choice in CHOICES}
    assert found == {"first": False, "either": True, "exact": False, "order-free": True}
