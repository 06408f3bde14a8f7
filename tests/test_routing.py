"""route() chooses on the logits, breaks ties downward and weighs by a softmax over the chosen."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from octavo.routing import expert_load, route

BF16_STEP = 2.0**-8


def test_rank_order_is_by_logit_and_weights_are_the_softmax_of_the_chosen() -> None:
    routing = route(torch.tensor([[0.0, 2.0, 1.0, -1.0]]), 2)
    assert routing.expert_TK.tolist() == [[1, 2]]
    torch.testing.assert_close(routing.weight_TK, torch.softmax(torch.tensor([[2.0, 1.0]]), dim=-1))


@given(st.lists(st.lists(st.integers(-2, 2), min_size=8, max_size=8), min_size=1, max_size=20), st.integers(1, 8))
def test_a_tie_goes_to_the_lowest_id(rows: list[list[int]], k: int) -> None:
    routing = route(torch.tensor(rows, dtype=torch.float32), k)
    for row, chosen in zip(rows, routing.expert_TK.tolist(), strict=True):
        assert chosen == sorted(range(8), key=lambda expert: (-row[expert], expert))[:k]


def test_equal_to_softmax_then_top_k_then_renormalise_in_exact_arithmetic() -> None:
    logits_TE = torch.randn(500, 8, dtype=torch.float64, generator=torch.Generator().manual_seed(0)).float()
    chosen = torch.softmax(logits_TE.double(), dim=-1).topk(2)
    routing = route(logits_TE, 2)
    assert torch.equal(routing.expert_TK, chosen.indices)
    torch.testing.assert_close(routing.weight_TK, (chosen.values / chosen.values.sum(dim=-1, keepdim=True)).float())


def test_a_large_gap_does_not_make_the_second_choice_arbitrary() -> None:
    """A softmax over all experts underflows to zero for every expert but the first, and then picks anything."""
    logits_TE = torch.tensor([[0.0, 300.0, -5.0, 100.0, 1.0, 2.0, 3.0, 4.0]])
    assert torch.softmax(logits_TE, dim=-1)[0, 3] == 0.0
    assert route(logits_TE, 2).expert_TK.tolist() == [[1, 3]]


def test_low_precision_logits_get_float32_weights() -> None:
    routing = route(torch.tensor([[1.0, 1.0 + BF16_STEP, 0.0]]).bfloat16(), 2)
    assert routing.weight_TK.dtype == torch.float32
    assert routing.logits_TE.dtype == torch.bfloat16


def test_gradients_reach_the_chosen_logits_only() -> None:
    logits_TE = torch.tensor([[3.0, 1.0, 2.0]], requires_grad=True)
    route(logits_TE, 2).weight_TK[0, 0].backward()
    assert logits_TE.grad is not None
    assert (logits_TE.grad[0] != 0).tolist() == [True, False, True]


@pytest.mark.parametrize("num_experts", [4, 8])
def test_load_counts_every_assignment_and_idle_experts(num_experts: int) -> None:
    load_E = expert_load(torch.tensor([[0, 1], [1, 3], [1, 0]]), num_experts)
    assert load_E.tolist() == [2, 3, 0, 1] + [0] * (num_experts - 4)
