"""The experts of one token on a CPU: nothing to sort, so its K experts read it one after the other.

A single text decodes one token at a time, and there the reference's sorting and collecting cost as much as the
products. Two tokens or more go the reference's way: padding them into a batched product was slower (docs/log.md).
"""

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.ops.experts import reference
from octavo.ops.experts.reference import Linear


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_E: Tensor | Sequence[Any],
    w2_E: Tensor | Sequence[Any],
    *,
    linear: Linear = functional.linear,
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts and sums what they say, in rank order and in float32."""
    if x_TD.shape[0] != 1:
        return reference.experts(x_TD, expert_TK, weight_TK, w13_E, w2_E, linear=linear)
    said = []
    for expert in expert_TK[0].tolist():
        gate_1F, up_1F = linear(x_TD, w13_E[expert]).chunk(2, dim=-1)
        said.append(linear(functional.silu(gate_1F) * up_1F, w2_E[expert]))
    return (weight_TK @ torch.cat(said).float()).to(x_TD.dtype)
