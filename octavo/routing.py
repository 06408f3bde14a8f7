"""The routing decision as a value: which experts read each token, in which order, and how much each contributes.

    G(x) = Softmax(TopK(x · W_g))          (arXiv 2401.04088, section 2.1)

The choice is made on the logits, then the softmax runs over the chosen K only. In exact arithmetic that equals a
softmax over all E followed by top-k and renormalisation; in low precision it is the order that neither picks other
experts nor underflows.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class Routing:
    """What one layer's router decided for T tokens.

    ``logits_TE`` are the router's logits; ``expert_TK`` the chosen experts in rank order (column 0 is the first choice,
    ties go to the lowest id); ``weight_TK`` what each contributes, float32, rows that sum to 1.
    """

    logits_TE: Float[Tensor, "T E"]
    expert_TK: Int[Tensor, "T K"]
    weight_TK: Float[Tensor, "T K"]


def route(logits_TE: Float[Tensor, "T E"], k: int) -> Routing:
    """Chooses the ``k`` largest of each token's logits and weighs them by a softmax over the chosen."""
    # A stable sort, since topk does not say which of two equal logits it takes.
    sorted_TE, order_TE = torch.sort(logits_TE.float(), dim=-1, descending=True, stable=True)
    return Routing(logits_TE, order_TE[:, :k], torch.softmax(sorted_TE[:, :k], dim=-1))


def expert_load(expert_TK: Int[Tensor, "T K"], num_experts: int) -> Int[Tensor, "E"]:
    """Counts how many of the T·K assignments each expert took."""
    return torch.bincount(expert_TK.flatten(), minlength=num_experts)
