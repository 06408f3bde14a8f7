"""Ops that do not know of a batch: every token is computed on its own, by the same call whatever stands beside it.

A matrix product, a sum or an activation over many rows may add in another order, or round the last bit of an element
otherwise, than over one row; where threads share the rows, even the row's place counts. One row a call cannot.
The price is a call a token and a weight that is read anew for each. For octavo-mini in float32 on one CPU core: one
sequence decodes at the same pace, 16 at a time at a third of it, and a prompt is read at an eighth (docs/log.md).
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from octavo.ops.experts import single
from octavo.ops.linear import reference as linear_reference
from octavo.ops.norm import reference as norm_reference
from octavo.ops.rope import reference as rope_reference
from octavo.ops.router import reference as router_reference
from octavo.ops.swiglu import reference as swiglu_reference
from octavo.routing import Routing


def linear(x_TI: Float[Tensor, "T I"], weight_OI: Float[Tensor, "O I"]) -> Float[Tensor, "T O"]:
    """Maps T rows, each by a product of its own."""
    return torch.cat([linear_reference.linear(x_1I, weight_OI) for x_1I in rows(x_TI)])


def norm(x_TD: Float[Tensor, "T D"], weight_D: Float[Tensor, "D"], eps: float) -> Float[Tensor, "T D"]:
    """Normalises T rows one by one."""
    return torch.cat([norm_reference.norm(x_1D, weight_D, eps) for x_1D in rows(x_TD)])


def rotate(
    x_TNH: Float[Tensor, "T N H"], cos_TH: Float[Tensor, "T H"], sin_TH: Float[Tensor, "T H"]
) -> Float[Tensor, "T N H"]:
    """Turns the heads of T tokens one token at a time."""
    each = zip(rows(x_TNH), rows(cos_TH), rows(sin_TH), strict=True)
    return torch.cat([rope_reference.rotate(x_1NH, cos_1H, sin_1H) for x_1NH, cos_1H, sin_1H in each])


def swiglu(x_TI: Float[Tensor, "T I"]) -> Float[Tensor, "T F"]:
    """Gates T rows one by one."""
    return torch.cat([swiglu_reference.swiglu(x_1I) for x_1I in rows(x_TI)])


def router(x_TD: Float[Tensor, "T D"], gate_ED: Float[Tensor, "E D"], k: int) -> Routing:
    """Routes T tokens one by one."""
    each = [router_reference.router(x_1D, gate_ED, k) for x_1D in rows(x_TD)]
    return Routing(
        torch.cat([routing.logits_TE for routing in each]),
        torch.cat([routing.expert_TK for routing in each]),
        torch.cat([routing.weight_TK for routing in each]),
    )


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K experts without regard to who else chose them."""
    each = zip(rows(x_TD), rows(expert_TK), rows(weight_TK), strict=True)
    return torch.cat([single.experts(x, expert, weight, w13_EID, w2_EDF) for x, expert, weight in each])


def rows(x_T: Tensor) -> list[Tensor]:
    """T tensors of one row, each in memory of its own: how memory is aligned can change the order of a sum too."""
    return [x_1.clone() for x_1 in x_T.split(1)]
