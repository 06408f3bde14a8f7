"""What no router does is refused by the row in which it stands; order is taken from weights, never guessed."""

import numpy as np
import pytest

from octavo.analysis.importers.checks import are_probabilities, check_experts, check_ids, rank
from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

SHAPE = RouterShape(num_experts=4, k=2, layers=(1, 3), num_hidden_layers=4)
GOOD = np.array([[[0, 1], [2, 3]], [[3, 0], [1, 2]]])


def test_good_rows_are_known() -> None:
    assert check_experts(GOOD, SHAPE, "x").tolist() == [True, True]


def test_a_row_of_minus_one_is_unknown() -> None:
    rows = np.concatenate([np.full((1, 2, 2), -1), GOOD])
    assert check_experts(rows, SHAPE, "x").tolist() == [False, True, True]


def changed(place: tuple[int, ...], value: object) -> np.ndarray:
    rows = GOOD.copy()
    rows[place] = value
    return rows


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (changed((1, 0, 0), 4), "token 1, layer 1: expert 4: want 0 to 3"),
        (changed((1, 1, 1), -2), "token 1, layer 3: expert -2"),
        (changed((0, 1), [2, 2]), r"token 0, layer 3: experts \[2, 2\]: want 2 different"),
        (changed((0, 0), [0, 0]), "token 0, layer 1: it is all zeros"),
        (changed((slice(None), 1), [0, 0]), "layer 3 is all zeros, as a dense layer"),
        (changed((1, 0), -1), "token 1 has -1 in some places only"),
        (changed((1, 0, 0), -1), "token 1 has -1 in some places only"),
        (GOOD.astype(np.float32), "has the type float32: want whole numbers"),
        (GOOD[0], r"has the shape \[2, 2\]: want \[tokens"),
        (GOOD[:, :, :1], "has 1 experts a token, the model 2"),
        (GOOD[:, :1], "has 1 layers, the model 2 MoE layers: check the model"),
        (np.concatenate([GOOD, GOOD], axis=1), "4 layers, the model 2 MoE layers: these seem to be all hidden layers"),
    ],
)
def test_what_no_router_does_is_refused_by_its_row(rows: np.ndarray, message: str) -> None:
    with pytest.raises(TraceError, match=f"answer 7.*{message}") as caught:
        check_experts(rows, SHAPE, "answer 7")
    assert "\n" not in str(caught.value)


def test_one_expert_a_token_may_be_expert_0_but_not_always() -> None:
    single = RouterShape(num_experts=4, k=1, layers=(0,))
    assert check_experts(np.array([[[0]], [[2]]]), single, "x").all()
    with pytest.raises(TraceError, match="all zeros"):
        check_experts(np.zeros((5, 1, 1), int), single, "x")


def test_weights_bring_experts_into_rank_order() -> None:
    weights = np.array([[[0.25, 0.75], [0.5, 0.5]], [[1.0, 0.0], [0.75, 0.25]]])
    ranked = rank(GOOD, weights, np.array([True, True]), "x")
    assert ranked.expert_TLK.tolist() == [[[1, 0], [2, 3]], [[3, 0], [1, 2]]]
    assert ranked.weight_TLK[0].tolist() == [[0.75, 0.25], [0.5, 0.5]]
    assert ranked.tie_T.tolist() == [True, False]
    assert ranked.renormalized


def test_the_lower_id_comes_first_where_two_weigh_the_same() -> None:
    ranked = rank(np.array([[[3, 1, 2]]]), np.array([[[0.25, 0.25, 0.5]]]), np.array([True]), "x")
    assert ranked.expert_TLK.tolist() == [[[2, 1, 3]]]


def test_weights_that_do_not_sum_to_one_are_not_renormalized() -> None:
    assert not rank(GOOD, np.full(GOOD.shape, 0.3), np.array([True, True]), "x").renormalized


def test_unknown_rows_may_weigh_anything() -> None:
    weights = np.full(GOOD.shape, 0.5)
    weights[0] = 0
    assert rank(GOOD, weights, np.array([False, True]), "x").renormalized
    with pytest.raises(TraceError, match="token 0 has weights that are negative, all 0 or no numbers"):
        rank(GOOD, weights, np.array([True, True]), "x")


@pytest.mark.parametrize("value", [-0.1, np.nan, np.inf])
def test_weights_that_are_none_are_refused(value: float) -> None:
    weights = np.full(GOOD.shape, 0.5)
    weights[1, 0, 0] = value
    with pytest.raises(TraceError, match="token 1 has weights"):
        rank(GOOD, weights, np.array([True, True]), "x")
    with pytest.raises(TraceError, match="want the same"):
        rank(GOOD, weights[:1], np.array([True, True]), "x")


def test_probabilities_are_told_from_logits() -> None:
    logits = np.random.default_rng(0).normal(size=(50, 8)).astype(np.float32)
    raised = np.exp(logits)
    probabilities = raised / raised.sum(axis=1, keepdims=True)
    assert are_probabilities(probabilities)
    assert not are_probabilities(logits)
    assert not are_probabilities(np.concatenate([probabilities, logits]))
    assert not are_probabilities(logits[:0])
    # Sigmoid scores lie between 0 and 1 too, but do not sum to 1.
    assert not are_probabilities(1 / (1 + np.exp(-logits)))


def test_ids_are_those_of_a_vocabulary() -> None:
    check_ids(np.array([0, 5]), "x", vocab_size=6)
    check_ids(np.array([], np.int64), "x")
    for wrong, message in (([-1], "token id -1"), ([5, 1 << 40], "token id 1099511627776: want ids from 0")):
        with pytest.raises(TraceError, match=message):
            check_ids(np.array(wrong), "x")
    with pytest.raises(TraceError, match="x: token id 6, the tokenizer has 6: give the model's own tokenizer"):
        check_ids(np.array([6]), "x", vocab_size=6)
    with pytest.raises(TraceError, match="want whole numbers"):
        check_ids(np.array([1.5]), "x")
