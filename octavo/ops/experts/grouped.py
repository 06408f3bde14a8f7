"""The experts by grouped matrix products: a counting sort deals out, two products read, a gather collects.

With N = T·K assignments in order n (token n // K), assignment n of expert e stands in row
place_n = (assignments of experts below e) + (assignments of e before n). Both directions of dealing and collecting are
gathers, so the gradient of the tokens needs no atomic additions and is the same in every run.
"""

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts and sums what they say, in rank order and in float32.

    Computes what the reference does without asking the device for the loads. On a GPU ``x_TD`` and the weights are
    bfloat16.
    """
    place_TK, order_N, end_E = places(expert_TK, w13_EID.shape[0])
    read_ND = _Deal.apply(x_TD, place_TK, order_N)  # type: ignore[no-untyped-call]
    gate_NF, up_NF = _Grouped.apply(read_ND, w13_EID, end_E).chunk(2, dim=-1)  # type: ignore[no-untyped-call]
    said_ND = _Grouped.apply(functional.silu(gate_NF) * up_NF, w2_EDF, end_E)  # type: ignore[no-untyped-call]
    y_TD: Tensor = _Collect.apply(  # type: ignore[no-untyped-call]
        said_ND, weight_TK, place_TK, order_N
    )
    return y_TD


# How many parts a group's rows are summed in: eight groups alone leave most of a GPU idle.
_PARTS = 8


def places(
    expert_TK: Int[Tensor, "T K"], num_experts: int
) -> tuple[Int[Tensor, "T K"], Int[Tensor, "N"], Int[Tensor, "E"]]:
    """A counting sort of the assignments by expert: each one's row, each row's assignment, and each expert's end."""
    expert_N = expert_TK.flatten()
    num = expert_N.shape[0]
    index_N = torch.arange(num, device=expert_N.device)
    hit_EN = expert_N == torch.arange(num_experts, device=expert_N.device)[:, None]
    # One scan over the experts' rows laid end to end: it counts inside an expert and over the experts before it at
    # once.
    rank_EN = hit_EN.flatten().cumsum(0, dtype=torch.int32).unflatten(0, (num_experts, num))
    place_N = rank_EN.flatten()[expert_N * num + index_N].long() - 1
    order_N = torch.empty_like(index_N).scatter_(0, place_N, index_N)
    return place_N.view_as(expert_TK), order_N, rank_EN[:, -1].contiguous()


class _Grouped(torch.autograd.Function):
    """y = x Wᵀ, where rows ``end_E[e - 1]`` to ``end_E[e]`` meet the weight of expert e."""

    @staticmethod
    def forward(ctx: Any, x_NI: Tensor, weight_EOI: Tensor, end_E: Tensor) -> Tensor:
        """One product a group."""
        ctx.save_for_backward(x_NI, weight_EOI, end_E)
        return functional.grouped_mm(x_NI, weight_EOI.transpose(-2, -1), offs=end_E)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Sums the weight's gradient over very many rows: parts of each group side by side, then together."""
        x_NI, weight_EOI, end_E = ctx.saved_tensors
        grad_NO = grads[0].contiguous()
        grad_NI = functional.grouped_mm(grad_NO, weight_EOI, offs=end_E)
        length_E1 = end_E.diff(prepend=end_E.new_zeros(1))[:, None]
        part_P = torch.arange(_PARTS - 1, -1, -1, dtype=end_E.dtype, device=end_E.device)
        end_EP = end_E[:, None] - length_E1 * part_P // _PARTS
        grad_EPOI = functional.grouped_mm(grad_NO.T, x_NI, offs=end_EP.flatten()).unflatten(0, (-1, _PARTS))
        return grad_NI, grad_EPOI.float().sum(dim=1).to(weight_EOI.dtype), None


class _Deal(torch.autograd.Function):
    """Row of each assignment: read_n = x_token(n)."""

    @staticmethod
    def forward(ctx: Any, x_TD: Tensor, place_TK: Tensor, order_N: Tensor) -> Tensor:
        """Copies each token to the rows of its K experts."""
        ctx.save_for_backward(place_TK)
        return x_TD[order_N // place_TK.shape[1]]

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, None, None]:
        """Sums over the token's K rows."""
        (grad_ND,) = grads
        (place_TK,) = ctx.saved_tensors
        return grad_ND[place_TK].float().sum(dim=1).to(grad_ND.dtype), None, None


class _Collect(torch.autograd.Function):
    """y_t = Σ_i weight_ti · said_place(t, i), in float32."""

    @staticmethod
    def forward(ctx: Any, said_ND: Tensor, weight_TK: Tensor, place_TK: Tensor, order_N: Tensor) -> Tensor:
        """Gathers what the K experts said of each token."""
        ctx.save_for_backward(said_ND, weight_TK, place_TK, order_N)
        return (said_ND[place_TK] * weight_TK[:, :, None]).sum(dim=1).to(said_ND.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None, None]:
        """Hands the token's gradient to its rows by weight, and to each weight what its expert said."""
        (grad_TD,) = grads
        said_ND, weight_TK, place_TK, order_N = ctx.saved_tensors
        weight_N1 = weight_TK.flatten()[order_N][:, None]
        grad_said_ND = (grad_TD[order_N // place_TK.shape[1]] * weight_N1).to(said_ND.dtype)
        grad_weight_TK = (said_ND[place_TK].float() * grad_TD[:, None].float()).sum(dim=-1)
        return grad_said_ND, grad_weight_TK, None, None
