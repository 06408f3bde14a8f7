"""The kernels of the experts' first two products and their gate: ``triton`` says what they compute and allocates."""

from typing import no_type_check

import triton
import triton.language as tl

from octavo.ops.launch import inside, narrow, product, wait


@triton.jit
@no_type_check
def up_one(
    x_ptr,
    expert_ptr,
    weight_ptr,
    w13_ptr,
    act_ptr,
    features,
    expert_stride,
    row_stride,
    DIM: tl.constexpr,
    BLOCK_F: tl.constexpr,
    BLOCK_D: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    """One token's: a program owns some rows of one of its experts."""
    n = tl.program_id(1)
    row_F = tl.program_id(0) * BLOCK_F + tl.arange(0, BLOCK_F)
    column_D = tl.arange(0, BLOCK_D)
    kept_F1 = (row_F < features)[:, None]
    wait(OVERLAP)
    expert = tl.load(expert_ptr + n).to(tl.int64)
    gate_ptr = w13_ptr + expert * expert_stride + row_F.to(tl.int64)[:, None] * row_stride + column_D[None, :]
    up_ptr = gate_ptr + features.to(tl.int64) * row_stride
    gate_FD = tl.zeros((BLOCK_F, BLOCK_D), tl.float32)
    up_FD = tl.zeros((BLOCK_F, BLOCK_D), tl.float32)
    for start in tl.range(0, DIM, BLOCK_D, num_stages=STAGES):
        inside_D = inside(start, DIM, BLOCK_D)
        kept_FD = kept_F1 & inside_D[None, :]
        w1_FD = tl.load(gate_ptr + start, mask=kept_FD, other=0.0)
        w3_FD = tl.load(up_ptr + start, mask=kept_FD, other=0.0)
        x_D = tl.load(x_ptr + start + column_D, mask=inside_D, other=0.0).to(tl.float32)
        gate_FD += w1_FD.to(tl.float32) * x_D[None, :]
        up_FD += w3_FD.to(tl.float32) * x_D[None, :]
    gate_F = tl.sum(gate_FD, axis=1)
    act_F = gate_F * tl.sigmoid(gate_F) * tl.sum(up_FD, axis=1) * tl.load(weight_ptr + n)
    tl.store(act_ptr + n * features + row_F, narrow(act_F, act_ptr, INTERPRETED), mask=row_F < features)


@triton.jit
@no_type_check
def chosen(expert_N, rank, BLOCK_E: tl.constexpr):
    """The expert whose id is the ``rank``-th smallest of those chosen, -1 if fewer are, and how many are chosen."""
    id_E = tl.arange(0, BLOCK_E)
    any_E = tl.max((expert_N[None, :] == id_E[:, None]).to(tl.int32), axis=1)
    is_it_E = (any_E > 0) & (tl.cumsum(any_E, axis=0) == rank + 1)
    return tl.max(tl.where(is_it_E, id_E, -1), axis=0), tl.sum(any_E, axis=0)


@triton.jit
@no_type_check
def listed(expert_N, expert, list_ptr, BLOCK_N: tl.constexpr):
    """Lists the assignments of an expert in their order at ``list_ptr``, and how many they are.

    Programs that share the expert write the same list to the same place.
    """
    is_it_N = (expert_N == expert).to(tl.int32)
    place_N = tl.cumsum(is_it_N, axis=0) - 1
    tl.store(list_ptr + place_N, tl.arange(0, BLOCK_N), mask=is_it_N > 0)
    tl.debug_barrier()
    return tl.sum(is_it_N, axis=0)


@triton.jit
@no_type_check
def up(
    x_ptr,
    expert_ptr,
    weight_ptr,
    w13_ptr,
    act_ptr,
    list_ptr,
    num,
    num_experts,
    features,
    expert_stride,
    row_stride,
    DIM: tl.constexpr,
    K: tl.constexpr,
    FEW: tl.constexpr,
    MANY: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_F: tl.constexpr,
    BLOCK_D: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    """A program owns some rows of one chosen expert, for all the tokens that chose it."""
    blocks = tl.cdiv(features, BLOCK_F)
    row_F = tl.program_id(0) % blocks * BLOCK_F + tl.arange(0, BLOCK_F)
    n_N = tl.arange(0, BLOCK_N)
    wait(OVERLAP)
    expert_N = tl.load(expert_ptr + n_N, mask=n_N < num, other=-1).to(tl.int32)
    expert, _ = chosen(expert_N, tl.program_id(0) // blocks, BLOCK_E)
    if expert >= 0:
        list_ptr += expert * num
        load = listed(expert_N, expert, list_ptr, BLOCK_N)
        w1_ptr = w13_ptr + expert.to(tl.int64) * expert_stride
        if load <= FEW:
            _up_rows(
                x_ptr, weight_ptr, w1_ptr, act_ptr, list_ptr, load, row_F, features, row_stride,
                DIM, K, FEW, BLOCK_F, BLOCK_D, STAGES, INTERPRETED,
            )  # fmt: skip
        else:
            _up_rows(
                x_ptr, weight_ptr, w1_ptr, act_ptr, list_ptr, load, row_F, features, row_stride,
                DIM, K, MANY, BLOCK_F, BLOCK_D, STAGES, INTERPRETED,
            )  # fmt: skip


@triton.jit
@no_type_check
def _up_rows(
    x_ptr,
    weight_ptr,
    w1_ptr,
    act_ptr,
    list_ptr,
    load,
    row_F,
    features,
    row_stride,
    DIM: tl.constexpr,
    K: tl.constexpr,
    BLOCK_T: tl.constexpr,
    BLOCK_F: tl.constexpr,
    BLOCK_D: tl.constexpr,
    STAGES: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    column_D = tl.arange(0, BLOCK_D)
    kept_F1 = (row_F < features)[:, None]
    gate_ptr = w1_ptr + row_F.to(tl.int64)[:, None] * row_stride + column_D[None, :]
    up_ptr = gate_ptr + features.to(tl.int64) * row_stride
    for first in range(0, load, BLOCK_T):
        slot_T = first + tl.arange(0, BLOCK_T)
        n_T = tl.load(list_ptr + slot_T, mask=slot_T < load, other=0)
        token_ptr = x_ptr + (n_T // K)[None, :] * DIM + column_D[:, None]
        kept_1T = (slot_T < load)[None, :]
        gate_FT = tl.zeros((BLOCK_F, BLOCK_T), tl.float32)
        up_FT = tl.zeros((BLOCK_F, BLOCK_T), tl.float32)
        for start in tl.range(0, DIM, BLOCK_D, num_stages=STAGES):
            inside_D = inside(start, DIM, BLOCK_D)
            kept_FD = kept_F1 & inside_D[None, :]
            x_DT = tl.load(token_ptr + start, mask=inside_D[:, None] & kept_1T, other=0.0)
            w1_FD = tl.load(gate_ptr + start, mask=kept_FD, other=0.0)
            w3_FD = tl.load(up_ptr + start, mask=kept_FD, other=0.0)
            gate_FT = product(w1_FD, x_DT, gate_FT, INTERPRETED)
            up_FT = product(w3_FD, x_DT, up_FT, INTERPRETED)
        weight_1T = tl.load(weight_ptr + n_T, mask=slot_T < load, other=0.0)[None, :]
        act_FT = gate_FT * tl.sigmoid(gate_FT) * up_FT * weight_1T
        place_FT = n_T[None, :] * features + row_F[:, None]
        tl.store(act_ptr + place_FT, narrow(act_FT, act_ptr, INTERPRETED), mask=kept_F1 & kept_1T)
