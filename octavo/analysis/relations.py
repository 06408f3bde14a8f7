"""Relations between the routes of two tokens: in which ways the second repeats the first.

    first       the same first choice                         r(1) = r'(1)
    either      at least one expert in common                 S ∩ S' ≠ ∅
    exact       the same experts in the same order            r = r'
    order-free  the same experts in any order                 S = S'

The first two are those of Mixtral of Experts, Table 5. All four stand in one number of four bits, so that one look-up
or one comparison answers them together.
"""

import functools

import numpy as np
from jaxtyping import Bool, Int64, Integer, UInt8, UInt64

from octavo.analysis.codes import RouteCoding

CHOICES = ("first", "either", "exact", "order-free")
BITS = 1 << len(CHOICES)
# From the four bits to the four answers.
ANSWER_BX = (np.arange(BITS)[:, None] >> np.arange(len(CHOICES)) & 1).astype(np.int64)
WORD = 64


@functools.cache
def code_relations(coding: RouteCoding) -> UInt8[np.ndarray, "C C"]:
    """The four bits for each pair of codes."""
    expert_CK, member = coding.expert_CK(), coding.member_CE().astype(np.int64)
    common_CC = member @ member.T
    same_CC = np.eye(coding.size, dtype=bool)
    sets_CC = (common_CC == member.sum(axis=1)) & (common_CC == member.sum(axis=1)[:, None])
    answers = (expert_CK[:, None, 0] == expert_CK[None, :, 0], common_CC > 0, same_CC, sets_CC)
    return _joined(*answers)


def choice_relations(coding: RouteCoding, choice: str) -> Bool[np.ndarray, "C C"]:
    """Which pairs of codes repeat in the way that ``choice`` names."""
    return np.asarray(code_relations(coding) >> CHOICES.index(choice) & 1 == 1)


def set_words(expert_TK: Integer[np.ndarray, "T K"], num_experts: int) -> UInt64[np.ndarray, "T W"]:
    """Each token's set of experts as bits, 64 experts a word."""
    word_TW = np.zeros((len(expert_TK), -(-num_experts // WORD)), np.uint64)
    rows_T = np.arange(len(expert_TK))
    for expert_T in expert_TK.T.astype(np.uint64):
        word_TW[rows_T, expert_T // np.uint64(WORD)] |= np.uint64(1) << expert_T % np.uint64(WORD)
    return word_TW


def expert_relations(
    before_TK: Integer[np.ndarray, "T K"], after_TK: Integer[np.ndarray, "T K"], num_experts: int
) -> UInt8[np.ndarray, "T"]:
    """The four bits for each row, where experts have no codes of one byte."""
    before_TW, after_TW = set_words(before_TK, num_experts), set_words(after_TK, num_experts)
    return _joined(
        before_TK[:, 0] == after_TK[:, 0],
        (before_TW & after_TW).any(axis=1),
        (before_TK == after_TK).all(axis=1),
        (before_TW == after_TW).all(axis=1),
    )


def answers(count_XB: Int64[np.ndarray, "*X B"]) -> Int64[np.ndarray, "*X 4"]:
    """From how often each number of four bits was met to how often each of the four answers was yes."""
    return np.asarray(count_XB @ ANSWER_BX)


def _joined(*answer_X: Bool[np.ndarray, "*X"]) -> UInt8[np.ndarray, "*X"]:
    return np.asarray(sum(each.astype(np.uint8) << place for place, each in enumerate(answer_X)), np.uint8)
