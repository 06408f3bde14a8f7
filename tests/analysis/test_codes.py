"""Route codes: there and back, which are legal, and where they end."""

import itertools

import numpy as np
import pytest

from octavo.analysis.codes import RouteCoding
from octavo.errors import TraceError

MIXTRAL = RouteCoding(8, 2)


def test_mixtrals_code_is_eight_times_the_first_plus_the_second() -> None:
    assert MIXTRAL.encode(np.array([[0, 1], [3, 6], [7, 0]])).tolist() == [1, 30, 56]


@pytest.mark.parametrize(("num_experts", "k"), [(8, 2), (4, 1), (4, 4), (16, 2), (6, 3), (1, 1)])
def test_every_ordered_choice_has_a_code_of_its_own(num_experts: int, k: int) -> None:
    coding = RouteCoding(num_experts, k)
    choice_TK = np.array(list(itertools.permutations(range(num_experts), k)))
    code_T = coding.encode(choice_TK)
    assert len(set(code_T.tolist())) == len(choice_TK)
    assert (coding.decode(code_T) == choice_TK).all()
    assert coding.legal_C().sum() == len(choice_TK)
    assert coding.legal_C()[code_T].all()


def test_a_code_that_names_an_expert_twice_is_not_legal() -> None:
    assert MIXTRAL.legal_C().sum() == 56
    assert not MIXTRAL.legal_C()[9]  # (1, 1)


def test_membership_names_the_experts_of_all_ranks() -> None:
    assert np.flatnonzero(MIXTRAL.member_CE()[30]).tolist() == [3, 6]


def test_codes_keep_the_shape_in_front() -> None:
    expert_LTK = np.array([[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[1, 0], [7, 6]]])
    assert (MIXTRAL.decode(MIXTRAL.encode(expert_LTK)) == expert_LTK).all()


def test_more_than_a_byte_of_choices_has_no_code() -> None:
    assert RouteCoding(16, 2).fits_a_byte
    assert not RouteCoding(64, 8).fits_a_byte
    assert RouteCoding(64, 8).id_dtype == np.uint8
    assert RouteCoding(512, 10).id_dtype == np.uint16


@pytest.mark.parametrize("k", [0, 9])
def test_a_choice_that_cannot_be_is_refused(k: int) -> None:
    with pytest.raises(TraceError, match=f"{k} experts a token out of 8"):
        RouteCoding(8, k)
