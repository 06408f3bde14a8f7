"""The router without a sort: K passes, each taking the first expert whose logit is the largest that is left.

Elementwise over E columns, so a compiler makes one kernel of it; ties go to the lowest id, as in the reference.
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from octavo.routing import Routing


def router(x_TD: Float[Tensor, "T D"], gate_ED: Float[Tensor, "E D"], k: int) -> Routing:
    """Routes T tokens to ``k`` of E experts each, logits in float32; a row that is NaN goes to the last expert."""
    logits_TE = functional.linear(x_TD.float(), gate_ED.float())
    num_experts = gate_ED.shape[0]
    id_E = torch.arange(num_experts, device=x_TD.device)
    left_TE = logits_TE.detach()
    chosen, kept = [], []
    for _ in range(k):
        is_largest_TE = left_TE == left_TE.amax(dim=-1, keepdim=True)
        # No logit equals a maximum that is NaN: the clamp keeps the id inside the experts until the loss is seen to
        # be NaN.
        expert_T1 = torch.where(is_largest_TE, id_E, num_experts).amin(dim=-1, keepdim=True).clamp(max=num_experts - 1)
        is_chosen_TE = id_E == expert_T1
        left_TE = left_TE.masked_fill(is_chosen_TE, -torch.inf)
        chosen.append(expert_T1)
        kept.append((logits_TE * is_chosen_TE).sum(dim=-1, keepdim=True))
    return Routing(logits_TE, torch.cat(chosen, dim=-1), torch.softmax(torch.cat(kept, dim=-1), dim=-1))
