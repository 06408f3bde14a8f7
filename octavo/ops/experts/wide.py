"""The experts of a few tokens on a CPU, computed as one wide feed-forward whose unchosen parts weigh nothing.

    y = Σ_e g_e · w2_e h_e = [g_1 h_1 ... g_E h_E] · [w2_1 ... w2_E]ᵀ      g_e: the routing's weight, 0 where not chosen

A few tokens choose nearly every expert between them, so every weight comes out of memory anyway, and waiting for it
takes longer than E/K times the arithmetic. Two large products that oneDNN has laid out do what 2E small ones did.
"""

from functools import partial

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.ops.experts.reference import Experts
from octavo.ops.linear import onednn

# Weights of one layer, in elements, up to which they are kept a second time: 16 MiB of float32.
MAX_ELEMENTS = 1 << 22
# Tokens up to which the arithmetic hides behind the memory, measured for E = 8, K = 2 and D = F = 256 (docs/log.md).
MAX_TOKENS = 32


def lay_out(experts: Experts, w13_EID: Float[Tensor, "E I D"], w2_EDF: Float[Tensor, "E D F"]) -> Experts:
    """Gives the op that reads a few tokens by these weights side by side, and any others as ``experts`` does.

    Keeps a second copy of the weights, so it leaves large ones, and those that are not float32, to ``experts``.
    """
    if w13_EID.dtype != torch.float32 or w13_EID.numel() + w2_EDF.numel() > MAX_ELEMENTS:
        return experts
    # Several rows at a time: even a small weight gains by its layout.
    wide13 = onednn.lay_out(w13_EID.detach().flatten(0, 1), min_elements=0)
    wide2 = onednn.lay_out(w2_EDF.detach().transpose(0, 1).flatten(1), min_elements=0)
    return partial(_read, experts, wide13, wide2)


def _read(  # noqa: PLR0917 (the first three are bound by lay_out)
    experts: Experts,
    wide13: Tensor,
    wide2: Tensor,
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
) -> Float[Tensor, "T D"]:
    num_tokens, k = expert_TK.shape
    num_experts = w13_EID.shape[0]
    if num_tokens > MAX_TOKENS or num_tokens * k < num_experts:
        return experts(x_TD, expert_TK, weight_TK, w13_EID, w2_EDF)
    gate_TEF, up_TEF = onednn.linear(x_TD, wide13).unflatten(-1, (num_experts, -1)).chunk(2, dim=-1)
    share_TE = weight_TK.new_zeros(num_tokens, num_experts).scatter_(1, expert_TK, weight_TK)
    said_TEF = functional.silu(gate_TEF).mul_(up_TEF).mul_(share_TE[:, :, None])
    return onednn.linear(said_TEF.flatten(1), wide2)
