"""The experts of few tokens on a CPU: one call a step, rather than one an expert.

A decoding batch gives each expert a handful of rows, too few for a product to be worth its call. One token is read by
its K experts one after the other, without sorting; a few tokens are dealt into a padded [E, m] table, m the largest
load, and two batched products read it. Many tokens, or a few that crowd on one expert, go the reference's way.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.ops.experts import reference

# Where padding stops paying, measured for E = 8 and D = F = 256 (docs/log.md): more assignments, or a larger table.
MAX_ASSIGNMENTS = 128
MAX_PADDING = 4


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts and sums what they say, in rank order and in float32."""
    num_tokens, k = expert_TK.shape
    if num_tokens == 1:
        said_KD = torch.cat([_swiglu(x_TD, w13_EID[e].T, w2_EDF[e].T) for e in expert_TK[0].tolist()])
        return (weight_TK @ said_KD.float()).to(x_TD.dtype)
    num_experts = w13_EID.shape[0]
    if num_tokens * k <= MAX_ASSIGNMENTS:
        expert_N = expert_TK.flatten()
        load_E = torch.bincount(expert_N, minlength=num_experts)
        largest = int(load_E.max())
        if num_experts * largest <= MAX_PADDING * num_tokens * k:
            order_N = torch.argsort(expert_N, stable=True)
            sorted_N = expert_N[order_N]
            place_N = sorted_N * largest + torch.arange(num_tokens * k) - (load_E.cumsum(0) - load_E)[sorted_N]
            table_RD = x_TD.new_zeros(num_experts * largest, x_TD.shape[1])
            table_EmD = table_RD.index_copy_(0, place_N, x_TD[order_N // k]).unflatten(0, (num_experts, largest))
            said_RD = _swiglu(table_EmD, w13_EID.mT, w2_EDF.mT).flatten(0, 1)
            said_ND = torch.empty_like(said_RD[: num_tokens * k]).index_copy_(0, order_N, said_RD[place_N])
            y_TD: Tensor = (said_ND.unflatten(0, (-1, k)) * weight_TK[:, :, None]).sum(dim=1)
            return y_TD.to(x_TD.dtype)
    return reference.experts(x_TD, expert_TK, weight_TK, w13_EID, w2_EDF)


def _swiglu(x_nD: Tensor, w13_DI: Tensor, w2_FD: Tensor) -> Tensor:
    gate_nF, up_nF = (x_nD @ w13_DI).chunk(2, dim=-1)
    return (functional.silu(gate_nF) * up_nF) @ w2_FD
