"""A few tokens are read by all experts side by side with the numbers of the reference; other cases are left alone."""

import pytest
import torch

from octavo.ops.experts import wide
from octavo.ops.experts.reference import experts
from octavo.routing import route

D, F = 24, 17


def weights(num_experts: int, dtype: torch.dtype = torch.float32) -> tuple[torch.Tensor, torch.Tensor]:
    w13, w2 = torch.randn(num_experts, 2 * F, D) / 5, torch.randn(num_experts, D, F) / 5
    return w13.to(dtype), w2.to(dtype)


@pytest.mark.parametrize(("tokens", "num_experts", "k"), [(4, 8, 2), (5, 8, 2), (32, 8, 1), (16, 4, 4), (7, 5, 3)])
def test_a_few_tokens_are_read_as_the_reference_reads_them(tokens: int, num_experts: int, k: int) -> None:
    w13_EID, w2_EDF = weights(num_experts)
    x_TD = torch.randn(tokens, D)
    routing = route(torch.randn(tokens, num_experts), k)

    def never(*_: object) -> torch.Tensor:
        raise AssertionError("left to the other op")

    found = wide.lay_out(never, w13_EID, w2_EDF)(x_TD, routing.expert_TK, routing.weight_TK, w13_EID, w2_EDF)
    torch.testing.assert_close(found, experts(x_TD, routing.expert_TK, routing.weight_TK, w13_EID, w2_EDF))


@pytest.mark.parametrize("tokens", [1, 3, 33])
def test_fewer_and_more_tokens_are_left_to_the_other_op(tokens: int) -> None:
    w13_EID, w2_EDF = weights(8)
    x_TD = torch.randn(tokens, D)
    routing = route(torch.randn(tokens, 8), 2)
    found = wide.lay_out(lambda x, *_: x, w13_EID, w2_EDF)(x_TD, routing.expert_TK, routing.weight_TK, w13_EID, w2_EDF)
    assert found is x_TD


def test_one_expert_that_takes_every_token_is_the_only_one_that_speaks() -> None:
    w13_EID, w2_EDF = weights(4)
    x_TD, expert_T1 = torch.randn(8, D), torch.full((8, 1), 2)
    op = wide.lay_out(experts, w13_EID, w2_EDF)
    found = op(x_TD, expert_T1, torch.ones(8, 1), w13_EID, w2_EDF)
    torch.testing.assert_close(found, experts(x_TD, expert_T1, torch.ones(8, 1), w13_EID, w2_EDF))


def test_large_weights_and_low_precision_are_not_kept_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    assert wide.lay_out(experts, *weights(4, torch.bfloat16)) is experts
    monkeypatch.setattr(wide, "MAX_ELEMENTS", 100)
    assert wide.lay_out(experts, *weights(4)) is experts
