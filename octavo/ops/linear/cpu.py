"""Matrix products on a CPU by whatever reads a weight fastest: FBGEMM in float16 where that is exact, or oneDNN."""

from jaxtyping import Float
from torch import Tensor

from octavo.ops.linear import half, onednn
from octavo.ops.linear.half import HalfWeight

Weight = Tensor | HalfWeight


def lay_out(weight_OI: Float[Tensor, "O I"], *, min_elements: int = onednn.MIN_ELEMENTS) -> Weight:
    """Lays a weight out for ``linear``; ``min_elements`` are those from which oneDNN's layout is worth its call."""
    packed = half.pack(weight_OI) if half.is_available() else None
    return packed or onednn.lay_out(weight_OI, min_elements=min_elements)


def linear(x_TI: Float[Tensor, "T I"], weight: Weight) -> Float[Tensor, "T O"]:
    """Maps T rows of width I to width O by a weight that ``lay_out`` gave, or one as the checkpoints store it."""
    return half.linear(x_TI, weight) if isinstance(weight, HalfWeight) else onednn.linear(x_TI, weight)
