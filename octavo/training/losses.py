"""What training minimises: cross entropy, the imbalance of the experts, and the size of the router's logits.

loss = cross entropy + balance_weight · mean_L balance + z_weight · mean_L z
"""

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.routing import Routing

ROWS_AT_ONCE = 16384


def balance_loss(routing: Routing, kept_T: Bool[Tensor, "T"]) -> Float[Tensor, ""]:
    """E · Σ_e f_e · P_e of one layer: 1 when the experts share evenly, E/K when one set of K reads everything.

    f_e is expert e's share of the assignments and P_e its mean router probability, both over the tokens that are kept
    (Switch Transformers, arXiv 2101.03961, equations 4 to 6, with f over the assignments so that K does not scale
    it). It is taken layer by layer: pooled over the layers, a router that always picks one pair in each layer,
    another in the next, could not be told from an even one.
    """
    share_E = load(routing, kept_T)
    share_E = share_E / share_E.sum().clamp(min=1)
    probability_TE = torch.softmax(routing.logits_TE.float(), dim=-1) * kept_T[:, None]
    return routing.logits_TE.shape[1] * (share_E * probability_TE.sum(dim=0) / kept_T.sum().clamp(min=1)).sum()


def z_loss(routing: Routing, kept_T: Bool[Tensor, "T"]) -> Float[Tensor, ""]:
    """Mean over the kept tokens of logsumexp(router logits)², to keep them small (arXiv 2202.08906, equation 5)."""
    z_T = torch.logsumexp(routing.logits_TE.float(), dim=-1)
    return (z_T.square() * kept_T).sum() / kept_T.sum().clamp(min=1)


def load(routing: Routing, kept_T: Bool[Tensor, "T"]) -> Float[Tensor, "E"]:
    """How many assignments of kept tokens each expert took; no gradient."""
    id_E = torch.arange(routing.logits_TE.shape[1], device=kept_T.device)
    taken_TKE = (routing.expert_TK[:, :, None] == id_E) & kept_T[:, None, None]
    return taken_TKE.sum(dim=(0, 1)).float()


def linear_cross_entropy(
    x_TD: Float[Tensor, "T D"], weight_VD: Float[Tensor, "V D"], target_T: Int[Tensor, "T"]
) -> Float[Tensor, ""]:
    """Mean over the targets that are not negative of -log softmax(x Wᵀ)[target], in nats.

    The logits of a few rows at a time exist, in the type of ``x_TD``; the sums are in float32. The gradient is made
    along with the loss, so the logits are computed once.
    """
    loss: Tensor = _LinearCrossEntropy.apply(x_TD, weight_VD, target_T)  # type: ignore[no-untyped-call]
    return loss


def token_losses(
    x_TD: Float[Tensor, "T D"], weight_VD: Float[Tensor, "V D"], target_T: Int[Tensor, "T"]
) -> Float[Tensor, "T"]:
    """-log softmax(x Wᵀ)[target] of every token, in nats and float32; 0 where the target is negative. No gradient."""
    with torch.no_grad():
        parts = zip(x_TD.split(ROWS_AT_ONCE), target_T.split(ROWS_AT_ONCE), strict=True)
        return torch.cat([_losses(functional.linear(x_nD, weight_VD).float(), target_n)[0] for x_nD, target_n in parts])


def _losses(logits_nV: Tensor, target_n: Tensor) -> tuple[Tensor, Tensor]:
    """The losses of a few rows, and their logsumexp."""
    lse_n = torch.logsumexp(logits_nV, dim=-1)
    said_n = logits_nV.gather(1, target_n.clamp(min=0)[:, None])[:, 0]
    return (lse_n - said_n) * (target_n >= 0), lse_n


class _LinearCrossEntropy(torch.autograd.Function):
    """d loss / d logits = (softmax - one at the target) / number of targets."""

    @staticmethod
    def forward(ctx: Any, x_TD: Tensor, weight_VD: Tensor, target_T: Tensor) -> Tensor:
        """The mean loss; keeps the gradients."""
        id_V = torch.arange(weight_VD.shape[0], device=x_TD.device)
        scale = 1 / (target_T >= 0).sum().clamp(min=1).float()
        total = torch.zeros((), device=x_TD.device)
        grad_VD = torch.zeros(weight_VD.shape, device=x_TD.device)
        grad_x = []
        for x_nD, target_n in zip(x_TD.split(ROWS_AT_ONCE), target_T.split(ROWS_AT_ONCE), strict=True):
            logits_nV = functional.linear(x_nD, weight_VD)
            loss_n, lse_n = _losses(logits_nV.float(), target_n)
            total = total + loss_n.sum()
            error_nV = torch.exp(logits_nV.float() - lse_n[:, None]) - (id_V == target_n[:, None]).float()
            error_nV = (error_nV * (scale * (target_n >= 0))[:, None]).to(x_TD.dtype)
            grad_x.append(error_nV @ weight_VD)
            grad_VD = grad_VD + (error_nV.T @ x_nD).float()
        ctx.save_for_backward(torch.cat(grad_x), grad_VD.to(weight_VD.dtype))
        return total * scale

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor, Tensor, None]:
        """Scales the kept gradients."""
        grad_TD, grad_VD = ctx.saved_tensors
        return (grad_TD * grads[0]).to(grad_TD.dtype), (grad_VD * grads[0]).to(grad_VD.dtype), None
