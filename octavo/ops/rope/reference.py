"""Rotary position embedding: pair i of a head turns by position · theta^(-2i/H) (arXiv 2104.09864, equation 34).

The pairs are (i, i + H/2), the order of Hugging Face files; native files pair neighbours and are permuted when read.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor


def rotation(
    position_T: Int[Tensor, "T"], head_dim: int, theta: float
) -> tuple[Float[Tensor, "T H"], Float[Tensor, "T H"]]:
    """What each element of a head is multiplied by, and what its pair's other element is, float32.

    The first is the cosine of the pair's angle, the second its sine, negative for the pair's first element.
    """
    exponent_h = torch.arange(0, head_dim, 2, device=position_T.device).float() / head_dim
    angle_Th = position_T.float()[:, None] * (1.0 / theta**exponent_h)
    cos_Th, sin_Th = angle_Th.cos(), angle_Th.sin()
    return torch.cat((cos_Th, cos_Th), dim=-1), torch.cat((-sin_Th, sin_Th), dim=-1)


def rotate(
    x_TNH: Float[Tensor, "T N H"], cos_TH: Float[Tensor, "T H"], sin_TH: Float[Tensor, "T H"]
) -> Float[Tensor, "T N H"]:
    """Turns every head's pairs by its token's angles; float32 inside, the type of ``x_TNH`` outside."""
    x32_TNH = x_TNH.float()
    other_TNH = x32_TNH.roll(x_TNH.shape[-1] // 2, dims=-1)
    return torch.addcmul(x32_TNH * cos_TH[:, None], other_TNH, sin_TH[:, None]).to(x_TNH.dtype)
