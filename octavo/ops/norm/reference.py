"""RMSNorm: y = x / sqrt(mean(x²) + eps) · weight, computed in float32 (arXiv 1910.07467, equation 4)."""

import torch
from jaxtyping import Float
from torch import Tensor


def norm(x_TD: Float[Tensor, "T D"], weight_D: Float[Tensor, "D"], eps: float) -> Float[Tensor, "T D"]:
    """Normalises each row to unit root mean square and scales it; float32 inside, the type of ``x_TD`` outside."""
    x32_TD = x_TD.float()
    scale_T1 = torch.rsqrt(x32_TD.square().mean(dim=-1, keepdim=True) + eps)
    return (x32_TD * scale_T1 * weight_D).to(x_TD.dtype)
