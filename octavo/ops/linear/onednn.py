"""Matrix products on a CPU by oneDNN, which reads a large weight in blocks that it has laid out beforehand.

For few rows the product is a walk over the weight, and blocks are walked at the memory's pace: 2.7 times faster for one
row of 256 and a weight of 8192 × 256 in float32 (docs/log.md).
"""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

# Below this many elements a weight stays in the cache, and a block layout gains less than its longer call costs.
MIN_ELEMENTS = 1 << 20
# The number of rows that the layout is chosen for; a layout for one row is slow for two.
ROWS = 16


def is_available(dtype: torch.dtype) -> bool:
    """Whether this processor and this build of torch have oneDNN for ``dtype``."""
    if not torch.backends.mkldnn.is_available():
        return False
    return dtype == torch.float32 or (dtype == torch.bfloat16 and torch.ops.mkldnn._is_mkldnn_bf16_supported())


def lay_out(weight_OI: Float[Tensor, "O I"], *, min_elements: int = MIN_ELEMENTS) -> Tensor:
    """Lays a large weight out in blocks; one of less than ``min_elements`` stays as it is."""
    if weight_OI.numel() < min_elements:
        return weight_OI
    laid_out: Tensor = torch.ops.mkldnn._reorder_linear_weight(weight_OI.contiguous(), ROWS)
    return laid_out


def linear(x_TI: Float[Tensor, "T I"], weight_OI: Tensor) -> Float[Tensor, "T O"]:
    """Maps T rows of width I to width O by a weight that ``lay_out`` gave."""
    if not weight_OI.is_mkldnn:
        return functional.linear(x_TI, weight_OI)
    y_TO: Tensor = torch.ops.mkldnn._linear_pointwise(x_TI, weight_OI, None, "none", [], "")
    return y_TO
