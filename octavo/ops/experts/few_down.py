"""The kernels of the experts' last product and its sum: ``triton`` beside it says what they compute and allocates."""

from typing import no_type_check

import triton
import triton.language as tl

from octavo.ops.experts.few_up import chosen, listed
from octavo.ops.launch import inside, is_last, narrow, product, wait


@triton.jit
@no_type_check
def down_one(
    act_ptr,
    expert_ptr,
    w2_ptr,
    residual_ptr,
    y_ptr,
    dim,
    expert_stride,
    row_stride,
    FEATURES: tl.constexpr,
    K: tl.constexpr,
    ADD: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_F: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    """One token's: a program owns some outputs and reads its K experts one after the other."""
    row_D = tl.program_id(0) * BLOCK_D + tl.arange(0, BLOCK_D)
    column_F = tl.arange(0, BLOCK_F)
    kept_D1 = (row_D < dim)[:, None]
    weight_DF = w2_ptr + row_D.to(tl.int64)[:, None] * row_stride + column_F[None, :]
    # The choice is older than the kernel before this one, so the first weights are asked for before the wait.
    first_ptr = weight_DF + tl.load(expert_ptr).to(tl.int64) * expert_stride
    first_F = inside(0, FEATURES, BLOCK_F)
    first_DF = tl.load(first_ptr, mask=kept_D1 & first_F[None, :], other=0.0)
    wait(OVERLAP)
    y_D = tl.zeros((BLOCK_D,), tl.float32)
    if ADD:
        y_D += tl.load(residual_ptr + row_D, mask=row_D < dim, other=0.0).to(tl.float32)
    for i in tl.static_range(K):
        rows_ptr = weight_DF + tl.load(expert_ptr + i).to(tl.int64) * expert_stride
        said_DF = tl.zeros((BLOCK_D, BLOCK_F), tl.float32)
        if i == 0:
            act_F = tl.load(act_ptr + column_F, mask=first_F, other=0.0)
            said_DF += first_DF.to(tl.float32) * act_F.to(tl.float32)[None, :]
        for start in tl.range(BLOCK_F if i == 0 else 0, FEATURES, BLOCK_F, num_stages=STAGES):
            inside_F = inside(start, FEATURES, BLOCK_F)
            w2_DF = tl.load(rows_ptr + start, mask=kept_D1 & inside_F[None, :], other=0.0)
            act_F = tl.load(act_ptr + i * FEATURES + start + column_F, mask=inside_F, other=0.0)
            said_DF += w2_DF.to(tl.float32) * act_F.to(tl.float32)[None, :]
        y_D += tl.sum(said_DF, axis=1)
    tl.store(y_ptr + row_D, narrow(y_D, y_ptr, INTERPRETED), mask=row_D < dim)


@triton.jit
@no_type_check
def down(
    act_ptr,
    expert_ptr,
    w2_ptr,
    residual_ptr,
    y_ptr,
    said_ptr,
    list_ptr,
    counter_ptr,
    num,
    num_experts,
    dim,
    expert_stride,
    row_stride,
    FEATURES: tl.constexpr,
    K: tl.constexpr,
    ADD: tl.constexpr,
    FEW: tl.constexpr,
    MANY: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_F: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    """A program owns some outputs of one chosen expert; the last to be done with the outputs adds up."""
    blocks = tl.cdiv(dim, BLOCK_D)
    block = tl.program_id(0) % blocks
    row_D = block * BLOCK_D + tl.arange(0, BLOCK_D)
    n_N = tl.arange(0, BLOCK_N)
    # The choice is older than the kernel before this one.
    expert_N = tl.load(expert_ptr + n_N, mask=n_N < num, other=-1).to(tl.int32)
    expert, active = chosen(expert_N, tl.program_id(0) // blocks, BLOCK_E)
    wait(OVERLAP)
    if expert >= 0:
        list_ptr += expert * num
        load = listed(expert_N, expert, list_ptr, BLOCK_N)
        w2_ptr += expert.to(tl.int64) * expert_stride
        if load <= FEW:
            _down_rows(
                act_ptr, w2_ptr, said_ptr, list_ptr, load, row_D, dim, row_stride,
                FEATURES, FEW, BLOCK_D, BLOCK_F, STAGES, INTERPRETED,
            )  # fmt: skip
        else:
            _down_rows(
                act_ptr, w2_ptr, said_ptr, list_ptr, load, row_D, dim, row_stride,
                FEATURES, MANY, BLOCK_D, BLOCK_F, STAGES, INTERPRETED,
            )  # fmt: skip
        if is_last(counter_ptr + block, active):
            _sum(said_ptr, residual_ptr, y_ptr, num // K, row_D, dim, K, ADD, BLOCK_D, INTERPRETED)


@triton.jit
@no_type_check
def _down_rows(
    act_ptr,
    w2_ptr,
    said_ptr,
    list_ptr,
    load,
    row_D,
    dim,
    row_stride,
    FEATURES: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_F: tl.constexpr,
    STAGES: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    column_F = tl.arange(0, BLOCK_F)
    kept_D1 = (row_D < dim)[:, None]
    rows_ptr = w2_ptr + row_D.to(tl.int64)[:, None] * row_stride + column_F[None, :]
    for first in range(0, load, BLOCK_T):
        slot_T = first + tl.arange(0, BLOCK_T)
        kept_1T = (slot_T < load)[None, :]
        n_T = tl.load(list_ptr + slot_T, mask=slot_T < load, other=0)
        row_ptr = act_ptr + n_T[None, :] * FEATURES + column_F[:, None]
        said_DT = tl.zeros((BLOCK_D, BLOCK_T), tl.float32)
        for start in tl.range(0, FEATURES, BLOCK_F, num_stages=STAGES):
            inside_F = inside(start, FEATURES, BLOCK_F)
            act_FT = tl.load(row_ptr + start, mask=inside_F[:, None] & kept_1T, other=0.0)
            w2_DF = tl.load(rows_ptr + start, mask=kept_D1 & inside_F[None, :], other=0.0)
            said_DT = product(w2_DF, act_FT, said_DT, INTERPRETED)
        tl.store(said_ptr + n_T[None, :] * dim + row_D[:, None], said_DT, mask=kept_D1 & kept_1T)


@triton.jit
@no_type_check
def _sum(
    said_ptr,
    residual_ptr,
    y_ptr,
    num_tokens,
    row_D,
    dim,
    K: tl.constexpr,
    ADD: tl.constexpr,
    BLOCK: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    for first in range(0, num_tokens, 16):
        token_T = first + tl.arange(0, 16)
        kept_TD = (token_T < num_tokens)[:, None] & (row_D < dim)[None, :]
        place_TD = token_T[:, None] * dim + row_D[None, :]
        y_TD = tl.zeros((16, BLOCK), tl.float32)
        for i in tl.static_range(K):
            said = said_ptr + (token_T * K + i)[:, None] * dim + row_D[None, :]
            # Past the first cache: another multiprocessor may have written it since this one last looked.
            y_TD += tl.load(said, mask=kept_TD, other=0.0, cache_modifier=".cg")
        if ADD:
            y_TD += tl.load(residual_ptr + place_TD, mask=kept_TD, other=0.0).to(tl.float32)
        tl.store(y_ptr + place_TD, narrow(y_TD, y_ptr, INTERPRETED), mask=kept_TD)
