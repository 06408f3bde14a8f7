"""Rotary position embedding: pair i of a head turns by position · theta^(-2i/H) (arXiv 2104.09864, equation 34).

The pairs are (i, i + H/2), the order of Hugging Face files; native files pair neighbours and are permuted when read.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotation(
    position_T: Int[Tensor, "T"], head_dim: int, theta: float
) -> tuple[Float[Tensor, "T h"], Float[Tensor, "T h"]]:
    """Cosine and sine of each token's angles, float32, one column for each of the h = H/2 pairs."""
    exponent_h = torch.arange(0, head_dim, 2, device=position_T.device).float() / head_dim
    angle_Th = position_T.float()[:, None] * (1.0 / theta**exponent_h)
    return angle_Th.cos(), angle_Th.sin()


def rotate(
    x_TNH: Float[Tensor, "T N H"], cos_Th: Float[Tensor, "T h"], sin_Th: Float[Tensor, "T h"]
) -> Float[Tensor, "T N H"]:
    """Turns every head's pairs by its token's angles; float32 inside, the type of ``x_TNH`` outside."""
    first, second = x_TNH.float().chunk(2, dim=-1)
    cos, sin = cos_Th[:, None], sin_Th[:, None]
    return torch.cat((first * cos - second * sin, second * cos + first * sin), dim=-1).to(x_TNH.dtype)
