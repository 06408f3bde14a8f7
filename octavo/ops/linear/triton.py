"""Matrix products of few rows, paced by the weight: y = residual + norm(x) Wᵀ, where residual and norm may be absent.

One row needs no matrix units, and its norm rides along, as it only scales the row: norm(x) Wᵀ = (x · g) Wᵀ /
sqrt(mean(x²) + eps), and both sums walk over the same x. A program owns some outputs of every row, so each weight comes
out of memory once; where it holds all of its weights at once, it asks for them before it waits for x.
"""

from dataclasses import dataclass
from functools import cache
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from octavo.ops.launch import inside, is_last, narrow, options, power_of_two, product, wait
from octavo.ops.norm import triton as rms_norm


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What one program reads at a time: ``outputs`` rows of the weight, ``inputs`` columns, ``stages`` of it ahead.

    ``tokens`` is the most rows of x that it keeps sums for. ``parts`` programs share the columns of the same outputs;
    the last of them to be done adds up.
    """

    outputs: int
    inputs: int
    tokens: int
    warps: int
    stages: int
    parts: int = 1


def tile_for(num_tokens: int, outputs: int) -> Tile:
    """The tile that was fastest on an H200 at Mixtral's shapes (docs/log.md)."""
    if num_tokens == 1:
        return Tile(outputs=2, inputs=4096, tokens=1, warps=4, stages=1)
    # A wide product has programs enough without sharing columns.
    parts = 2 if outputs < 16384 else 1
    return Tile(outputs=64, inputs=128, tokens=power_of_two(min(num_tokens, 64), 16), warps=4, stages=4, parts=parts)


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
    residual = y_TO if residual_TO is None else residual_TO.contiguous()
    shared = {
        "INPUTS": inputs,
        "ADD": residual_TO is not None,
        "BLOCK_O": tile.outputs,
        "BLOCK_I": min(tile.inputs, power_of_two(inputs, 16)),
        "STAGES": tile.stages,
        "num_warps": tile.warps,
        **options(x_TI.device),
    }
    blocks = triton.cdiv(outputs, tile.outputs)
    if num_tokens == 1:
        norm_weight_I, eps = norm or (weight_OI, 0.0)
        _one[(blocks,)](
            x_TI, norm_weight_I, weight_OI, residual, y_TO, outputs, weight_OI.stride(0), eps,
            NORM=norm is not None, **shared,
        )  # fmt: skip
        return y_TO
    if norm is not None:
        x_TI = rms_norm.norm(x_TI, *norm)
    blocks *= triton.cdiv(num_tokens, tile.tokens)
    part = y_TO
    if tile.parts > 1:
        part = torch.empty(tile.parts, num_tokens, outputs, dtype=torch.float32, device=x_TI.device)
    _few[(blocks, tile.parts)](
        x_TI, weight_OI, residual, y_TO, part, _counters(x_TI.device, blocks), num_tokens, outputs,
        x_TI.stride(0), weight_OI.stride(0), PARTS=tile.parts, BLOCK_T=max(tile.tokens, 16), **shared,
    )  # fmt: skip
    return y_TO


def norm_linear(
    x_TD: Float[Tensor, "T D"], norm: tuple[Float[Tensor, "D"], float], weight_OD: Float[Tensor, "O D"]
) -> Float[Tensor, "T O"]:
    """Normalises each row by a norm's weight and eps and maps it to width O."""
    return linear(x_TD, weight_OD, norm=norm)


def linear_add(
    x_TI: Float[Tensor, "T I"], weight_OI: Float[Tensor, "O I"], residual_TO: Float[Tensor, "T O"]
) -> Float[Tensor, "T O"]:
    """Adds the product to the residual in float32, so that the sum is rounded once."""
    return linear(x_TI, weight_OI, residual_TO=residual_TO)


@cache
def _counters(device: torch.device, count: int) -> Tensor:
    """Counters that are 0 before and after every kernel, which must run one after another."""
    return torch.zeros(count, dtype=torch.int32, device=device)


@triton.jit
@no_type_check
def _one(
    x_ptr,
    norm_ptr,
    weight_ptr,
    residual_ptr,
    y_ptr,
    outputs,
    weight_stride,
    eps,
    INPUTS: tl.constexpr,
    NORM: tl.constexpr,
    ADD: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_I: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    row_O = tl.program_id(0) * BLOCK_O + tl.arange(0, BLOCK_O)
    column_I = tl.arange(0, BLOCK_I)
    kept_O = row_O < outputs
    weight_OI = weight_ptr + row_O.to(tl.int64)[:, None] * weight_stride + column_I[None, :]
    if BLOCK_I >= INPUTS:
        inside_I = inside(0, INPUTS, BLOCK_I)
        w_OI = tl.load(weight_OI, mask=kept_O[:, None] & inside_I[None, :], other=0.0)
        if NORM:
            norm_I = tl.load(norm_ptr + column_I, mask=inside_I, other=0.0)
        wait(OVERLAP)
        x_I = tl.load(x_ptr + column_I, mask=inside_I, other=0.0).to(tl.float32)
        square = tl.sum(x_I * x_I)
        if NORM:
            x_I *= norm_I.to(tl.float32)
        y_O = tl.sum(w_OI.to(tl.float32) * x_I[None, :], axis=1)
    else:
        wait(OVERLAP)
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
        square = tl.sum(square_I)
        y_O = tl.sum(sum_OI, axis=1)
    if NORM:
        y_O *= tl.rsqrt(square / INPUTS + eps)
    if ADD:
        y_O += tl.load(residual_ptr + row_O, mask=kept_O, other=0.0).to(tl.float32)
    tl.store(y_ptr + row_O, narrow(y_O, y_ptr, INTERPRETED), mask=kept_O)


@triton.jit
@no_type_check
def _few(
    x_ptr,
    weight_ptr,
    residual_ptr,
    y_ptr,
    part_ptr,
    counter_ptr,
    num_tokens,
    outputs,
    x_stride,
    weight_stride,
    INPUTS: tl.constexpr,
    ADD: tl.constexpr,
    PARTS: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_O: tl.constexpr,
    BLOCK_I: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    # Programs that share a piece of the weight are neighbours, so that it comes out of memory once.
    blocks = tl.cdiv(num_tokens, BLOCK_T)
    row_O = tl.program_id(0) // blocks * BLOCK_O + tl.arange(0, BLOCK_O)
    token_T = tl.program_id(0) % blocks * BLOCK_T + tl.arange(0, BLOCK_T)
    column_I = tl.arange(0, BLOCK_I)
    kept_O1, kept_1T = (row_O < outputs)[:, None], (token_T < num_tokens)[None, :]
    rows_ptr = weight_ptr + row_O.to(tl.int64)[:, None] * weight_stride + column_I[None, :]
    tokens_ptr = x_ptr + token_T[None, :] * x_stride + column_I[:, None]
    each: tl.constexpr = (INPUTS + PARTS * BLOCK_I - 1) // (PARTS * BLOCK_I) * BLOCK_I
    part = tl.program_id(1)
    wait(OVERLAP)
    y_OT = tl.zeros((BLOCK_O, BLOCK_T), tl.float32)
    for start in tl.range(part * each, tl.minimum((part + 1) * each, INPUTS), BLOCK_I, num_stages=STAGES):
        inside_I = inside(start, INPUTS, BLOCK_I)
        w_OI = tl.load(rows_ptr + start, mask=kept_O1 & inside_I[None, :], other=0.0)
        x_IT = tl.load(tokens_ptr + start, mask=inside_I[:, None] & kept_1T, other=0.0)
        y_OT = product(w_OI, x_IT, y_OT, INTERPRETED)
    place_OT = token_T[None, :] * outputs + row_O[:, None]
    kept_OT = kept_O1 & kept_1T
    last = True
    if PARTS > 1:
        tl.store(part_ptr + part * num_tokens * outputs + place_OT, y_OT, mask=kept_OT)
        last = is_last(counter_ptr + tl.program_id(0), PARTS)
        if last:
            y_OT = tl.zeros((BLOCK_O, BLOCK_T), tl.float32)
            for each_part in tl.static_range(PARTS):
                # Past the first cache: another multiprocessor may have written it since this one last looked.
                said_ptr = part_ptr + each_part * num_tokens * outputs + place_OT
                y_OT += tl.load(said_ptr, mask=kept_OT, other=0.0, cache_modifier=".cg")
    if last:
        if ADD:
            y_OT += tl.load(residual_ptr + place_OT, mask=kept_OT, other=0.0).to(tl.float32)
        tl.store(y_ptr + place_OT, narrow(y_OT, y_ptr, INTERPRETED), mask=kept_OT)
