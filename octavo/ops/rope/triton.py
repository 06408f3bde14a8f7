"""RoPE on a GPU with the write of the cache: one program a token turns queries and keys, and stores keys and values.

The pairs are (i, i + H/2), as in the reference; what the program stores in the cache it stores in the token's slot.
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float, Int
from torch import Tensor

from octavo.ops.launch import narrow, options, power_of_two, wait

Rotation = tuple[Float[Tensor, "T H"], Float[Tensor, "T H"]]


def rotate_and_write(
    heads_TNH: Float[Tensor, "T N H"],
    rope: Rotation,
    key_PBGH: Float[Tensor, "P B G H"],
    value_PBGH: Float[Tensor, "P B G H"],
    slot_T: Int[Tensor, "T"],
) -> Float[Tensor, "T Q H"]:
    """Turns the queries, which it returns, and the keys, which it stores with the values in their slots.

    ``heads_TNH`` holds the Q query heads, then the G key heads, then the G value heads. Raises ValueError when a
    token's heads are not dense.
    """
    num_tokens, num_heads, head_dim = heads_TNH.shape
    if heads_TNH.stride()[1:] != (head_dim, 1) or not key_PBGH.is_contiguous() or not value_PBGH.is_contiguous():
        raise ValueError("a token's heads and the cache's pages must be dense: call contiguous()")
    num_kv_heads = key_PBGH.shape[2]
    num_queries = num_heads - 2 * num_kv_heads
    query_TQH = torch.empty(num_tokens, num_queries, head_dim, dtype=heads_TNH.dtype, device=heads_TNH.device)
    if num_tokens:
        _turn[(num_tokens,)](
            heads_TNH,
            *rope,
            query_TQH,
            key_PBGH,
            value_PBGH,
            slot_T,
            heads_TNH.stride(0),
            QUERIES=num_queries,
            KEYS=num_kv_heads,
            HEAD=head_dim,
            BLOCK_N=power_of_two(num_queries + num_kv_heads),
            BLOCK_H=power_of_two(head_dim),
            num_warps=4,
            **options(heads_TNH.device),
        )
    return query_TQH


@triton.jit
@no_type_check
def turned(head_ptr, column_H, cos_H, sin_H, kept, HEAD: tl.constexpr):
    """Heads at ``head_ptr``, [N, 1], turned by their angles; float32."""
    x_NH = tl.load(head_ptr + column_H[None, :], mask=kept, other=0.0).to(tl.float32)
    other_NH = tl.load(head_ptr + ((column_H + HEAD // 2) % HEAD)[None, :], mask=kept, other=0.0).to(tl.float32)
    return x_NH * cos_H[None, :] + other_NH * sin_H[None, :]


@triton.jit
@no_type_check
def _turn(
    heads_ptr,
    cos_ptr,
    sin_ptr,
    query_ptr,
    key_ptr,
    value_ptr,
    slot_ptr,
    token_stride,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    HEAD: tl.constexpr,
    BLOCK_N: tl.constexpr,
    BLOCK_H: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    head_N = tl.arange(0, BLOCK_N)
    column_H = tl.arange(0, BLOCK_H)
    kept_H = column_H < HEAD
    wait(OVERLAP)
    cos_H = tl.load(cos_ptr + token * HEAD + column_H, mask=kept_H, other=0.0)
    sin_H = tl.load(sin_ptr + token * HEAD + column_H, mask=kept_H, other=0.0)
    slot = tl.load(slot_ptr + token).to(tl.int64)
    heads_ptr += token * token_stride
    is_query_N1 = (head_N < QUERIES)[:, None]
    is_key_N1 = (head_N >= QUERIES)[:, None] & (head_N < QUERIES + KEYS)[:, None]
    kept_NH = (is_query_N1 | is_key_N1) & kept_H[None, :]
    turned_NH = narrow(
        turned(heads_ptr + head_N[:, None] * HEAD, column_H, cos_H, sin_H, kept_NH, HEAD), query_ptr, INTERPRETED
    )
    query_place = token * QUERIES * HEAD + head_N[:, None] * HEAD + column_H[None, :]
    key_place = slot * KEYS * HEAD + (head_N - QUERIES)[:, None] * HEAD + column_H[None, :]
    tl.store(query_ptr + query_place, turned_NH, mask=kept_NH & is_query_N1)
    tl.store(key_ptr + key_place, turned_NH, mask=kept_NH & is_key_N1)
    # A key head's own value stands KEYS heads after it.
    value_NH = tl.load(heads_ptr + (head_N + KEYS)[:, None] * HEAD + column_H[None, :], mask=kept_NH & is_key_N1)
    tl.store(value_ptr + key_place, value_NH, mask=kept_NH & is_key_N1)
