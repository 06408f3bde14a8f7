"""Decoding attention over a paged cache on a GPU: softmax(q kᵀ / sqrt(H)) v of one new token a sequence.

A program owns one sequence, one key/value head with its Q/G query heads, and one part of the context; the last of the
parts to be done adds them up, always in the same order. It may turn queries and keys and store the new key and value on
its way, so that a layer's attention is one kernel between two products.
"""

import math
from dataclasses import dataclass
from functools import cache
from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from octavo.batch import Batch
from octavo.ops.launch import is_last, narrow, options, power_of_two, prefetch, product, wait
from octavo.ops.rope.triton import Rotation, turned


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What a program reads at a time: ``positions`` of the context, ``stages`` ahead; a context has ``parts``."""

    positions: int
    parts: int
    warps: int
    stages: int


# An H200's multiprocessors: heads of sequences that are more do not need their contexts split.
PROGRAMS = 132
MOST_PARTS = 16


def tile_for(num_heads: int, max_context: int) -> Tile:
    """The tile that was fastest on an H200 for ``num_heads`` key/value heads of all sequences (docs/log.md)."""
    if num_heads > 1024:
        return Tile(positions=32, parts=1, warps=1, stages=4)
    if num_heads > PROGRAMS // 2:
        return Tile(positions=64, parts=1, warps=2, stages=3)
    parts = min(PROGRAMS // num_heads, -(-max_context // 128), MOST_PARTS)
    # A power of two, so that a context that grows does not want a kernel of its own at every length.
    return Tile(positions=128, parts=1 << (parts.bit_length() - 1), warps=4, stages=2)


def paged_attention(
    query_TQH: Float[Tensor, "T Q H"],
    key_PBGH: Float[Tensor, "P B G H"],
    value_PBGH: Float[Tensor, "P B G H"],
    batch: Batch,
    window: int | None,
    *,
    tile: Tile | None = None,
) -> Float[Tensor, "T Q H"]:
    """Attends from each sequence's one new token to its cached positions, where its own has been written already.

    Raises ValueError when the batch has no pages, or a sequence more than one token.
    """
    return _launch(query_TQH, None, (key_PBGH, value_PBGH), batch, window, tile=tile)


def rotate_write_attend(
    heads_TNH: Float[Tensor, "T N H"],
    rope: Rotation,
    cache_PBGH: tuple[Float[Tensor, "P B G H"], Float[Tensor, "P B G H"]],
    batch: Batch,
    window: int | None,
    *,
    tile: Tile | None = None,
) -> Float[Tensor, "T Q H"]:
    """Turns queries and keys, stores keys and values in ``cache_PBGH``, and attends; one token a sequence.

    ``heads_TNH`` holds the Q query heads, then the G key heads, then the G value heads. Raises ValueError when the
    batch has no pages, or a sequence more than one token.
    """
    return _launch(heads_TNH, rope, cache_PBGH, batch, window, tile=tile)


def _launch(
    heads_TNH: Tensor,
    rope: Rotation | None,
    cache_PBGH: tuple[Tensor, Tensor],
    batch: Batch,
    window: int | None,
    *,
    tile: Tile | None = None,
) -> Tensor:
    pages = batch.pages
    if pages is None:
        raise ValueError("paged attention got a batch without pages: give it pages, or use packed_attention")
    if batch.max_query > 1:
        raise ValueError(f"a sequence has up to {batch.max_query} new tokens: this kernel decodes one; use GROUPED's")
    key_PBGH, value_PBGH = cache_PBGH
    num_tokens, num_heads, head_dim = heads_TNH.shape
    page_size, num_kv_heads = key_PBGH.shape[1:3]
    if heads_TNH.stride()[1:] != (head_dim, 1) or not key_PBGH.is_contiguous() or not value_PBGH.is_contiguous():
        raise ValueError("a token's heads and the cache's pages must be dense: call contiguous()")
    num_queries = num_heads if rope is None else num_heads - 2 * num_kv_heads
    rows, num_sequences, device = num_queries // num_kv_heads, pages.context_S.shape[0], heads_TNH.device
    tile = tile or tile_for(num_sequences * num_kv_heads, min(pages.max_context, window or pages.max_context))
    said_TQH = torch.empty(num_tokens, num_queries, head_dim, dtype=heads_TNH.dtype, device=device)
    if not num_tokens:
        return said_TQH
    programs = num_sequences, num_kv_heads, tile.parts
    part = (
        torch.empty(*programs, rows, head_dim + 2, dtype=torch.float32, device=device) if tile.parts > 1 else said_TQH
    )
    cos_TH, sin_TH = rope or (said_TQH, said_TQH)
    _attend[programs](
        heads_TNH,
        cos_TH,
        sin_TH,
        key_PBGH,
        value_PBGH,
        said_TQH,
        part,
        _counters(device, num_sequences * num_kv_heads),
        batch.query_start_S1,
        pages.slot_T,
        pages.page_SP,
        pages.context_S,
        heads_TNH.stride(0),
        pages.page_SP.stride(0),
        1.0 / math.sqrt(head_dim) * math.log2(math.e),
        0 if window is None else window,
        QUERIES=num_queries,
        KEYS=num_kv_heads,
        HEAD=head_dim,
        PAGE=page_size,
        PARTS=tile.parts,
        TURN=rope is not None,
        ROWS=rows,
        BLOCK_R=power_of_two(rows, 16),
        BLOCK_H=power_of_two(head_dim, 16),
        BLOCK_C=tile.positions,
        STAGES=tile.stages,
        num_warps=tile.warps,
        **options(device),
    )
    return said_TQH


@cache
def _counters(device: torch.device, count: int) -> Tensor:
    """Counters that are 0 before and after every kernel, which must run one after another."""
    return torch.zeros(count, dtype=torch.int32, device=device)


@triton.jit(do_not_specialize=["page_stride", "window"])
@no_type_check
def _attend(
    heads_ptr,
    cos_ptr,
    sin_ptr,
    key_ptr,
    value_ptr,
    said_ptr,
    part_ptr,
    counter_ptr,
    start_ptr,
    slot_ptr,
    page_ptr,
    context_ptr,
    token_stride,
    page_stride,
    scale,
    window,
    QUERIES: tl.constexpr,
    KEYS: tl.constexpr,
    HEAD: tl.constexpr,
    PAGE: tl.constexpr,
    PARTS: tl.constexpr,
    TURN: tl.constexpr,
    ROWS: tl.constexpr,
    BLOCK_R: tl.constexpr,
    BLOCK_H: tl.constexpr,
    BLOCK_C: tl.constexpr,
    STAGES: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    sequence, group, part = tl.program_id(0), tl.program_id(1), tl.program_id(2)
    row_R, column_H, position_C = tl.arange(0, BLOCK_R), tl.arange(0, BLOCK_H), tl.arange(0, BLOCK_C)
    kept_H = column_H < HEAD
    kept_RH = (row_R < ROWS)[:, None] & kept_H[None, :]
    token = tl.load(start_ptr + sequence).to(tl.int64)
    context = tl.load(context_ptr + sequence).to(tl.int32)
    has_token = tl.load(start_ptr + sequence + 1) > token
    oldest = tl.where(window > 0, tl.maximum(context - window, 0), 0)
    first_block = oldest // BLOCK_C
    blocks = tl.cdiv(context, BLOCK_C) - first_block
    each = tl.cdiv(blocks, PARTS)
    begin = part * each
    page_ptr += sequence * page_stride
    if OVERLAP and PARTS > 1 and HEAD % 8 == 0:
        # Of what is in the cache only the newest position is not there yet. Where more programs come than run side by
        # side, the later ones would only ask for what they read at once.
        at_C = (first_block + begin) * BLOCK_C + position_C
        page_C = tl.load(page_ptr + at_C // PAGE, mask=at_C < context, other=0).to(tl.int64)
        place_C = ((page_C * PAGE + at_C % PAGE) * KEYS + group) * HEAD
        size_C = tl.full((BLOCK_C,), HEAD * 2, tl.int32)
        prefetch(key_ptr + place_C, size_C)
        prefetch(value_ptr + place_C, size_C)
    wait(OVERLAP)
    if has_token & (begin < blocks):
        head_R1 = (group * ROWS + row_R)[:, None] * HEAD
        if TURN:
            cos_H = tl.load(cos_ptr + token * HEAD + column_H, mask=kept_H, other=0.0)
            sin_H = tl.load(sin_ptr + token * HEAD + column_H, mask=kept_H, other=0.0)
            token_ptr = heads_ptr + token * token_stride
            query_RH = narrow(turned(token_ptr + head_R1, column_H, cos_H, sin_H, kept_RH, HEAD), said_ptr, INTERPRETED)
            if begin + each >= blocks:
                # The newest position is in this part: its key and value are stored, and read with the others.
                key_1H = token_ptr + (QUERIES + group) * HEAD + tl.zeros((1, 1), tl.int32)
                place_1H = (tl.load(slot_ptr + token).to(tl.int64) * KEYS + group) * HEAD + column_H[None, :]
                new_1H = narrow(turned(key_1H, column_H, cos_H, sin_H, kept_H[None, :], HEAD), key_ptr, INTERPRETED)
                tl.store(key_ptr + place_1H, new_1H, mask=kept_H[None, :])
                value_1H = tl.load(key_1H + KEYS * HEAD + column_H[None, :], mask=kept_H[None, :], other=0.0)
                tl.store(value_ptr + place_1H, value_1H, mask=kept_H[None, :])
                tl.debug_barrier()
        else:
            place_RH = token * token_stride + head_R1 + column_H[None, :]
            query_RH = tl.load(heads_ptr + place_RH, mask=kept_RH, other=0.0)
        top_R = tl.full((BLOCK_R,), float("-inf"), tl.float32)
        total_R = tl.zeros((BLOCK_R,), tl.float32)
        said_RH = tl.zeros((BLOCK_R, BLOCK_H), tl.float32)
        for block in tl.range(begin, tl.minimum(begin + each, blocks), num_stages=STAGES):
            at_C = (first_block + block) * BLOCK_C + position_C
            held_C = (at_C < context) & (at_C >= oldest)
            page_C = tl.load(page_ptr + at_C // PAGE, mask=held_C, other=0).to(tl.int64)
            place_C = ((page_C * PAGE + at_C % PAGE) * KEYS + group) * HEAD
            kept_CH = held_C[:, None] & kept_H[None, :]
            key_CH = tl.load(key_ptr + place_C[:, None] + column_H[None, :], mask=kept_CH, other=0.0)
            value_CH = tl.load(value_ptr + place_C[:, None] + column_H[None, :], mask=kept_CH, other=0.0)
            score_RC = product(query_RH, tl.trans(key_CH), tl.zeros((BLOCK_R, BLOCK_C), tl.float32), INTERPRETED)
            score_RC = tl.where(held_C[None, :], score_RC * scale, float("-inf"))
            new_top_R = tl.maximum(top_R, tl.max(score_RC, axis=1))
            share_RC = tl.exp2(score_RC - new_top_R[:, None])
            shrink_R = tl.exp2(top_R - new_top_R)
            total_R = total_R * shrink_R + tl.sum(share_RC, axis=1)
            said_RH = product(
                narrow(share_RC, value_ptr, INTERPRETED), value_CH, said_RH * shrink_R[:, None], INTERPRETED
            )
            top_R = new_top_R
        place_RH = (token * QUERIES * HEAD) + head_R1 + column_H[None, :]
        used = tl.cdiv(blocks, each)
        if PARTS == 1:
            tl.store(said_ptr + place_RH, narrow(said_RH / total_R[:, None], said_ptr, INTERPRETED), mask=kept_RH)
        else:
            index = sequence * KEYS + group
            part_R = ((index * PARTS + part) * ROWS + row_R) * (HEAD + 2)
            tl.store(part_ptr + part_R[:, None] + column_H[None, :], said_RH, mask=kept_RH)
            tl.store(part_ptr + part_R + HEAD, top_R, mask=row_R < ROWS)
            tl.store(part_ptr + part_R + HEAD + 1, total_R, mask=row_R < ROWS)
            if is_last(counter_ptr + index, used):
                part_ptr += index * PARTS * ROWS * (HEAD + 2)
                said_ptr += (token * QUERIES + group * ROWS) * HEAD
                _add_up(part_ptr, said_ptr, used, PARTS, ROWS, HEAD, BLOCK_H, INTERPRETED)


@triton.jit
@no_type_check
def _add_up(
    part_ptr,
    said_ptr,
    used,
    PARTS: tl.constexpr,
    ROWS: tl.constexpr,
    HEAD: tl.constexpr,
    BLOCK_H: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    """Adds the parts of one context up: all of them are asked for at once, and summed in the same order every time."""
    BLOCK_P: tl.constexpr = triton.next_power_of_2(PARTS)
    BLOCK_R: tl.constexpr = triton.next_power_of_2(ROWS)
    part_P, row_R, column_H = tl.arange(0, BLOCK_P), tl.arange(0, BLOCK_R), tl.arange(0, BLOCK_H)
    kept_PR = (part_P < used)[:, None] & (row_R < ROWS)[None, :]
    kept_RH = (row_R < ROWS)[:, None] & (column_H < HEAD)[None, :]
    # Past the first cache: another multiprocessor may have written it since this one last looked.
    place_PR = part_ptr + (part_P[:, None] * ROWS + row_R[None, :]) * (HEAD + 2)
    kept_PRH = kept_PR[:, :, None] & (column_H < HEAD)[None, None, :]
    said_PRH = tl.load(place_PR[:, :, None] + column_H[None, None, :], mask=kept_PRH, other=0.0, cache_modifier=".cg")
    top_PR = tl.load(place_PR + HEAD, mask=kept_PR, other=-1e30, cache_modifier=".cg")
    total_PR = tl.load(place_PR + HEAD + 1, mask=kept_PR, other=0.0, cache_modifier=".cg")
    share_PR = tl.exp2(top_PR - tl.max(top_PR, axis=0)[None, :])
    total_R = tl.sum(total_PR * share_PR, axis=0)
    # A row that pads has no total.
    total_R = tl.where(row_R < ROWS, total_R, 1.0)
    said_RH = tl.sum(said_PRH * share_PR[:, :, None], axis=0) / total_R[:, None]
    tl.store(said_ptr + row_R[:, None] * HEAD + column_H[None, :], narrow(said_RH, said_ptr, INTERPRETED), mask=kept_RH)
