"""RMSNorm on a GPU, y = x / sqrt(mean(x²) + eps) · weight: one program a row, which it reads once."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from octavo.ops.launch import narrow, options, power_of_two, wait


def norm(x_TD: Float[Tensor, "T D"], weight_D: Float[Tensor, "D"], eps: float) -> Float[Tensor, "T D"]:
    """Normalises each row to unit root mean square and scales it; float32 inside, the type of ``x_TD`` outside.

    Raises ValueError when the rows of x are not dense.
    """
    if x_TD.stride(-1) != 1:
        raise ValueError(f"rows must be dense: x has strides {x_TD.stride()}; call contiguous()")
    num_tokens, dim = x_TD.shape
    y_TD = torch.empty(num_tokens, dim, dtype=x_TD.dtype, device=x_TD.device)
    if num_tokens:
        _norm[(num_tokens,)](
            x_TD,
            weight_D,
            y_TD,
            x_TD.stride(0),
            eps,
            DIM=dim,
            BLOCK_D=power_of_two(dim),
            num_warps=8,
            **options(x_TD.device),
        )
    return y_TD


@triton.jit
@no_type_check
def _norm(
    x_ptr,
    weight_ptr,
    y_ptr,
    x_stride,
    eps,
    DIM: tl.constexpr,
    BLOCK_D: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    column_D = tl.arange(0, BLOCK_D)
    kept_D = column_D < DIM
    weight_D = tl.load(weight_ptr + column_D, mask=kept_D, other=0.0).to(tl.float32)
    wait(OVERLAP)
    x_D = tl.load(x_ptr + token * x_stride + column_D, mask=kept_D, other=0.0).to(tl.float32)
    y_D = x_D * tl.rsqrt(tl.sum(x_D * x_D) / DIM + eps) * weight_D
    tl.store(y_ptr + token * DIM + column_D, narrow(y_D, y_ptr, INTERPRETED), mask=kept_D)
