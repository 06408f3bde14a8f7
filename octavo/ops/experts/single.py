"""The experts of one token on a CPU: nothing to sort, so its K experts read it one after the other.

A single text decodes one token at a time, and there the reference's sorting and collecting cost as much as the
products. Two tokens or more go the reference's way: padding them into a batched product was slower (docs/log.md).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.ops.experts import reference


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts and sums what they say, in rank order and in float32."""
    if x_TD.shape[0] != 1:
        return reference.experts(x_TD, expert_TK, weight_TK, w13_EID, w2_EDF)
    said = []
    for expert in expert_TK[0].tolist():
        gate_1F, up_1F = functional.linear(x_TD, w13_EID[expert]).chunk(2, dim=-1)
        said.append(functional.linear(functional.silu(gate_1F) * up_1F, w2_EDF[expert]))
    return (weight_TK @ torch.cat(said).float()).to(x_TD.dtype)
