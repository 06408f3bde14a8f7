"""Matrix products in float32 on a CPU with weights kept in float16, for the weights that float16 holds exactly.

    y = x (s W)ᵀ / s          s: a power of two that brings the largest weight near the largest float16

Models are published in bfloat16, whose eight bits of fraction fit into float16's eleven; only the exponents need the
scale. FBGEMM turns each weight back into the float32 that it was while it multiplies, so nothing is rounded that plain
float32 would not round, and half as much comes out of memory: two to five times as fast for a few rows (docs/log.md).
"""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

# Below this many elements a weight is in the cache whenever it is wanted, and the scale costs more than the bytes.
MIN_ELEMENTS = 1 << 12
LARGEST_EXPONENT = 15


@dataclass(frozen=True, slots=True)
class HalfWeight:
    """A weight of O rows and I columns as FBGEMM reads it, ``scale`` times what it stands for."""

    packed: torch.ScriptObject
    scale: float


def is_available() -> bool:
    """Whether this build of torch has FBGEMM for this processor."""
    return torch.backends.quantized.engine in ("x86", "fbgemm") and hasattr(torch.ops.quantized, "linear_prepack_fp16")


def pack(weight_OI: Float[Tensor, "O I"]) -> HalfWeight | None:
    """Packs a float32 weight; None where float16 does not hold each of its numbers exactly, or it is small."""
    if weight_OI.dtype != torch.float32 or weight_OI.numel() < MIN_ELEMENTS:
        return None
    largest = float(weight_OI.abs().max())
    if not math.isfinite(largest):
        return None
    scale = 2.0 ** (LARGEST_EXPONENT - math.frexp(largest)[1])
    scaled_OI = weight_OI * scale
    if not torch.equal(scaled_OI.half().float(), scaled_OI):
        return None
    return HalfWeight(torch.ops.quantized.linear_prepack_fp16(scaled_OI.contiguous(), None), scale)


def linear(x_TI: Float[Tensor, "T I"], weight: HalfWeight) -> Float[Tensor, "T O"]:
    """Maps T rows of width I to width O by a weight that ``pack`` gave."""
    y_TO: Tensor = torch.ops.quantized.linear_dynamic_fp16(x_TI, weight.packed)
    return y_TO.mul_(1.0 / weight.scale)
