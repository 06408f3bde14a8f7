"""Matrix product with a weight stored as the checkpoints store it."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional


def lay_out(weight_OI: Float[Tensor, "O I"]) -> Float[Tensor, "O I"]:
    """Leaves the weight as the checkpoints store it, which is how ``linear`` reads it."""
    return weight_OI


def linear(x_TI: Float[Tensor, "T I"], weight_OI: Float[Tensor, "O I"]) -> Float[Tensor, "T O"]:
    """Maps T rows of width I to width O: y = x Wᵀ."""
    return functional.linear(x_TI, weight_OI)
