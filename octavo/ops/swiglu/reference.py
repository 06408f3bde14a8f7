"""The gate of SwiGLU: silu(first half) · second half (arXiv 2002.05202, equation 6)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def swiglu(x_TI: Float[Tensor, "T I"]) -> Float[Tensor, "T F"]:
    """Gates the second half of each row by the silu of the first; I = 2F."""
    gate_TF, up_TF = x_TI.chunk(2, dim=-1)
    return functional.silu(gate_TF) * up_TF
