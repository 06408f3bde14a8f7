"""The experts on a CPU: one token's one after the other, a few tokens' side by side, many tokens' sorted by expert.

    y = Σ_e g_e · w2_e h_e = [g_1 h_1 ... g_E h_E] · [w2_1 ... w2_E]ᵀ      g_e: the routing's weight, 0 where not chosen

A few tokens choose nearly every expert between them, so every weight comes out of memory anyway, and waiting for it
takes longer than E/K times the arithmetic: two wide products then do what 2E small ones did.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.ops.experts import reference, single
from octavo.ops.linear import cpu
from octavo.ops.linear.cpu import Weight

# Weights of one matrix of all experts, in elements, up to which they are kept a second time, side by side.
MAX_ELEMENTS = 1 << 21
# Tokens up to which the arithmetic hides behind the memory, measured for E = 8, K = 2 and D = F = 256 (docs/log.md).
MAX_TOKENS = 24


@dataclass(frozen=True, slots=True)
class LaidOut:
    """One matrix of each of E experts, and all of them side by side where a few tokens are read that way."""

    each_E: tuple[Weight, ...]
    wide: Weight | None


def lay_out(w13_EID: Float[Tensor, "E I D"], w2_EDF: Float[Tensor, "E D F"]) -> tuple[LaidOut, LaidOut]:
    """Lays the experts' weights out for ``experts``: w13, then w2."""
    # Several rows at a time: even a small weight gains by its layout.
    sides = w13_EID.flatten(0, 1), w2_EDF.transpose(0, 1).flatten(1)
    fits = w13_EID.dtype == torch.float32 and max(w13_EID.numel(), w2_EDF.numel()) <= MAX_ELEMENTS
    w13, w2 = (
        LaidOut(
            tuple(cpu.lay_out(weight) for weight in each.unbind()),
            cpu.lay_out(wide, min_elements=0) if fits else None,
        )
        for each, wide in zip((w13_EID, w2_EDF), sides, strict=True)
    )
    return w13, w2


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13: LaidOut | Tensor,
    w2: LaidOut | Tensor,
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts and sums what they say, in float32.

    Weights that were not laid out, [E, 2F, D] and [E, D, F], are read as they are.
    """
    num_tokens, k = expert_TK.shape
    each13, wide13 = (w13.each_E, w13.wide) if isinstance(w13, LaidOut) else (w13, None)
    each2, wide2 = (w2.each_E, w2.wide) if isinstance(w2, LaidOut) else (w2, None)
    if num_tokens == 1:
        return single.experts(x_TD, expert_TK, weight_TK, each13, each2, linear=cpu.linear)
    if wide13 is None or wide2 is None or num_tokens > MAX_TOKENS or num_tokens * k < len(each13):
        return reference.experts(x_TD, expert_TK, weight_TK, each13, each2, linear=cpu.linear)
    share_TE = weight_TK.new_zeros(num_tokens, len(each13)).scatter_(1, expert_TK, weight_TK)
    gate_TEF, up_TEF = cpu.linear(x_TD, wide13).unflatten(-1, (len(each13), -1)).chunk(2, dim=-1)
    said_TEF = functional.silu(gate_TEF).mul_(up_TEF).mul_(share_TE[:, :, None])
    return cpu.linear(said_TEF.flatten(1), wide2)
