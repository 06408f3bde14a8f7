"""The experts: y = Σ_i weight_i · w2_i(silu(w1_i x) · w3_i x) over the chosen i (arXiv 2401.04088, section 2.1)."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

# A product of rows with one expert's matrix, as it was laid out.
Linear = Callable[[Tensor, Any], Tensor]


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"] | Sequence[Any],
    w2_EDF: Float[Tensor, "E D F"] | Sequence[Any],
    *,
    linear: Linear = functional.linear,
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts and sums what they say, in rank order and in float32.

    ``w13_EID`` holds w1's F rows and then w3's, so I = 2F. An expert that nobody chose is not computed. ``linear``
    multiplies rows with one expert's matrix; with another one, the weights are E of whatever it takes.
    """
    num_experts, k = len(w13_EID), expert_TK.shape[1]
    expert_N = expert_TK.flatten()
    order_N = torch.argsort(expert_N, stable=True)
    load_E = torch.bincount(expert_N, minlength=num_experts).tolist()
    read_ND = x_TD[order_N // k]
    said = [
        _swiglu(x_nD, w13_EID[expert], w2_EDF[expert], linear)
        for expert, x_nD in enumerate(read_ND.split(load_E))
        if x_nD.shape[0]
    ]
    said_ND = torch.zeros_like(read_ND).index_copy(0, order_N, torch.cat(said)) if said else read_ND
    y_TD: Tensor = (said_ND.unflatten(0, (-1, k)) * weight_TK[:, :, None]).sum(dim=1)
    return y_TD.to(x_TD.dtype)


def lay_out_experts(w13_EID: Tensor, w2_EDF: Tensor) -> tuple[Tensor, Tensor]:
    """Leaves the weights as they are, which is how ``experts`` reads them."""
    return w13_EID, w2_EDF


def _swiglu(x_nD: Float[Tensor, "n D"], w13_ID: Any, w2_DF: Any, linear: Linear) -> Float[Tensor, "n D"]:
    gate_nF, up_nF = linear(x_nD, w13_ID).chunk(2, dim=-1)
    return linear(functional.silu(gate_nF) * up_nF, w2_DF)
