"""Matrix products of few rows, paced by the weight: y = residual + norm(x) Wᵀ, where residual and norm may be absent.

The norm rides along, as it only scales a row: norm(x) Wᵀ = (x · g) Wᵀ / sqrt(mean(x²) + eps), and both sums walk over
the same x. A program owns some outputs of every row, so each weight comes out of memory once.
"""

from dataclasses import dataclass
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from octavo.ops.launch import inside, narrow, options, power_of_two, prefetch, product, wait


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What one program reads at a time: ``outputs`` rows of the weight, ``inputs`` columns, ``stages`` of it ahead.

    ``tokens`` is the most rows of x that it keeps sums for; ``exact`` multiplies without the matrix units, one row.
    ``ahead`` KiB of each row of the weight are asked for before the kernel waits for x.
    """

    outputs: int
    inputs: int
    tokens: int
    warps: int
    stages: int
    exact: bool = False
    ahead: int = 0


def tile_for(num_tokens: int, outputs: int) -> Tile:
    """The tile that was fastest on an H200 at Mixtral's shapes (docs/log.md)."""
    if num_tokens == 1:
        return Tile(outputs=16, inputs=256, tokens=1, warps=4, stages=4, exact=True)
    small = outputs < 16384
    tokens = power_of_two(min(num_tokens, 64), 16)
    return Tile(outputs=32 if small else 64, inputs=128, tokens=tokens, warps=4, stages=5)


def linear(
    x_TI: Float[Tensor, "T I"],
    weight_OI: Float[Tensor, "O I"],
    *,
    norm: tuple[Float[Tensor, "I"], float] | None = None,
    residual_TO: Float[Tensor, "T O"] | None = None,
    tile: Tile | None = None,
) -> Float[Tensor, "T O"]:
    """Maps T rows of width I to width O; ``norm`` is a norm's weight and eps for x, ``residual_TO`` is added.

    Raises ValueError when the last dimension of x or of the weight is not dense.
    """
    if x_TI.stride(-1) != 1 or weight_OI.stride(-1) != 1:
        raise ValueError(
            f"rows must be dense: x has strides {x_TI.stride()}, the weight {weight_OI.stride()}; call contiguous()"
        )
    num_tokens, inputs = x_TI.shape
    outputs = weight_OI.shape[0]
    y_TO = torch.empty(num_tokens, outputs, dtype=x_TI.dtype, device=x_TI.device)
    if not num_tokens:
        return y_TO
    tile = tile or tile_for(num_tokens, outputs)
    norm_weight_I, eps = norm or (weight_OI, 0.0)
    residual = y_TO if residual_TO is None else residual_TO.contiguous()
    _linear[(triton.cdiv(outputs, tile.outputs) * triton.cdiv(num_tokens, tile.tokens),)](
        x_TI,
        norm_weight_I,
        weight_OI,
        residual,
        y_TO,
        num_tokens,
        outputs,
        x_TI.stride(0),
        weight_OI.stride(0),
        eps,
        INPUTS=inputs,
        NORM=norm is not None,
        ADD=residual_TO is not None,
        EXACT=tile.exact,
        BLOCK_T=tile.tokens,
        BLOCK_O=tile.outputs,
        BLOCK_I=min(tile.inputs, power_of_two(inputs, 16)),
        STAGES=tile.stages,
        # Asking beyond the weight would touch what is not ours; a tile that reaches over the end asks for nothing.
        AHEAD=tile.ahead if outputs % tile.outputs == 0 and tile.ahead * 512 <= inputs else 0,
        num_warps=tile.warps,
        **options(x_TI.device),
    )
    return y_TO


def norm_linear(
    x_TD: Float[Tensor, "T D"], norm: tuple[Float[Tensor, "D"], float], weight_OD: Float[Tensor, "O D"]
) -> Float[Tensor, "T O"]:
    """Normalises each row by a norm's weight and eps and maps it to width O, in one pass."""
    return linear(x_TD, weight_OD, norm=norm)


def linear_add(
    x_TI: Float[Tensor, "T I"], weight_OI: Float[Tensor, "O I"], residual_TO: Float[Tensor, "T O"]
) -> Float[Tensor, "T O"]:
    """Adds the product to the residual in float32, so that the sum is rounded once."""
    return linear(x_TI, weight_OI, residual_TO=residual_TO)


@triton.jit
@no_type_check
def _linear(
    x_ptr,
    norm_ptr,
    weight_ptr,
    residual_ptr,
    y_ptr,
    num_tokens,
    outputs,
    x_stride,
    weight_stride,
    eps,
    INPUTS: tl.constexpr,
    NORM: tl.constexpr,
    ADD: tl.constexpr,
    EXACT: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_I: tl.constexpr,
    STAGES: tl.constexpr,
    AHEAD: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    # Programs that share a piece of the weight are neighbours, so that it comes out of memory once.
    blocks = tl.cdiv(num_tokens, BLOCK_T)
    block = tl.program_id(0) // blocks
    row_O = block * BLOCK_O + tl.arange(0, BLOCK_O)
    token_T = tl.program_id(0) % blocks * BLOCK_T + tl.arange(0, BLOCK_T)
    column_I = tl.arange(0, BLOCK_I)
    kept_O = row_O < outputs
    kept_T = token_T < num_tokens
    weight_OI = weight_ptr + row_O.to(tl.int64)[:, None] * weight_stride + column_I[None, :]
    if AHEAD and OVERLAP:
        prefetch(weight_ptr + block.to(tl.int64) * BLOCK_O * weight_stride, weight_stride, BLOCK_O, AHEAD)
    wait(OVERLAP)
    if EXACT:
        sum_OI = tl.zeros((BLOCK_O, BLOCK_I), tl.float32)
        square_I = tl.zeros((BLOCK_I,), tl.float32)
        for start in tl.range(0, INPUTS, BLOCK_I, num_stages=STAGES):
            inside_I = inside(start, INPUTS, BLOCK_I)
            w_OI = tl.load(weight_OI + start, mask=kept_O[:, None] & inside_I[None, :], other=0.0)
            x_I = tl.load(x_ptr + start + column_I, mask=inside_I, other=0.0).to(tl.float32)
            if NORM:
                square_I += x_I * x_I
                x_I *= tl.load(norm_ptr + start + column_I, mask=inside_I, other=0.0).to(tl.float32)
            sum_OI += w_OI.to(tl.float32) * x_I[None, :]
        y_OT = tl.sum(sum_OI, axis=1)[:, None]
        if NORM:
            y_OT *= tl.rsqrt(tl.sum(square_I) / INPUTS + eps)
    else:
        y_OT = tl.zeros((BLOCK_O, BLOCK_T), tl.float32)
        square_T = tl.zeros((BLOCK_T,), tl.float32)
        for start in tl.range(0, INPUTS, BLOCK_I, num_stages=STAGES):
            inside_I = inside(start, INPUTS, BLOCK_I)
            w_OI = tl.load(weight_OI + start, mask=kept_O[:, None] & inside_I[None, :], other=0.0)
            x_IT = tl.load(
                x_ptr + token_T[None, :] * x_stride + (start + column_I)[:, None],
                mask=inside_I[:, None] & kept_T[None, :],
                other=0.0,
            )
            if NORM:
                x32_IT = x_IT.to(tl.float32)
                square_T += tl.sum(x32_IT * x32_IT, axis=0)
                norm_I = tl.load(norm_ptr + start + column_I, mask=inside_I, other=0.0).to(tl.float32)
                x_IT = narrow(x32_IT * norm_I[:, None], x_ptr, INTERPRETED)
            y_OT = product(w_OI, x_IT, y_OT, INTERPRETED)
        if NORM:
            y_OT *= tl.rsqrt(square_T / INPUTS + eps)[None, :]
    place_OT = token_T[None, :] * outputs + row_O[:, None]
    kept_OT = kept_O[:, None] & kept_T[None, :]
    if ADD:
        y_OT += tl.load(residual_ptr + place_OT, mask=kept_OT, other=0.0).to(tl.float32)
    tl.store(y_ptr + place_OT, narrow(y_OT, y_ptr, INTERPRETED), mask=kept_OT)
