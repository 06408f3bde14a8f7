"""The operations of a GPU that decodes in bfloat16: Octavo's kernels for few tokens, torch's own for many.

Needs Triton, which comes with torch where torch is built for a GPU.
"""

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from octavo.batch import Batch
from octavo.ops import GROUPED, Norm, Place, Rotation, Routed
from octavo.ops.attention import triton as attention
from octavo.ops.experts import triton as few_experts
from octavo.ops.linear import triton as few_rows
from octavo.ops.norm import triton as rms_norm
from octavo.ops.rope import triton as rope_and_cache
from octavo.ops.router import triton as routing

# Tokens of one step up to which the experts' weights, not arithmetic, are what it waits for.
FEW = 256
# Rows up to which our products were as fast as cuBLAS's or faster (docs/log.md).
FEW_ROWS = 16


def linear(x_TI: Tensor, weight_OI: Tensor) -> Tensor:
    """Maps rows by a weight."""
    return (few_rows if x_TI.shape[0] <= FEW_ROWS else GROUPED).linear(x_TI, weight_OI)


def norm_linear(x_TD: Tensor, norm: Norm, weight_OD: Tensor) -> Tensor:
    """Normalises rows and maps them by a weight."""
    if x_TD.shape[0] <= FEW_ROWS:
        return few_rows.norm_linear(x_TD, norm, weight_OD)
    return GROUPED.linear(rms_norm.norm(x_TD, *norm), weight_OD)


def linear_add(x_TI: Tensor, weight_OI: Tensor, residual_TO: Tensor) -> Tensor:
    """Adds rows mapped by a weight to the residual, in float32."""
    if x_TI.shape[0] <= FEW_ROWS:
        return few_rows.linear_add(x_TI, weight_OI, residual_TO)
    return torch.addmm(residual_TO, x_TI, weight_OI.mT)


def experts(x_TD: Tensor, expert_TK: Tensor, weight_TK: Tensor, w13_EID: Tensor, w2_EDF: Tensor) -> Tensor:
    """Lets each token be read by its experts."""
    of = few_experts if x_TD.shape[0] <= FEW else GROUPED
    return of.experts(x_TD, expert_TK, weight_TK, w13_EID, w2_EDF)


def experts_add(x_TD: Tensor, routed: Routed, w13_EID: Any, w2_EDF: Any, residual_TD: Tensor) -> Tensor:
    """Adds what the experts say to the residual."""
    if x_TD.shape[0] <= FEW:
        return few_experts.experts_add(x_TD, routed, w13_EID, w2_EDF, residual_TD)
    return residual_TD + GROUPED.experts(x_TD, *routed, w13_EID, w2_EDF)


def paged_attention(
    query_TQH: Tensor, key_PBGH: Tensor, value_PBGH: Tensor, batch: Batch, window: int | None
) -> Tensor:
    """Attends to the cache."""
    if batch.max_query == 1:
        return attention.paged_attention(query_TQH.contiguous(), key_PBGH, value_PBGH, batch, window)
    return GROUPED.paged_attention(query_TQH, key_PBGH, value_PBGH, batch, window)


def rotate_write_attend(heads_TNH: Tensor, rope: Rotation, place: Place, batch: Batch, window: int | None) -> Tensor:
    """Turns queries and keys, stores keys and values, and attends to the cache.

    Raises ValueError when the batch has no pages.
    """
    if batch.pages is None:
        raise ValueError("attention over a cache got a batch without pages: give it pages, or use packed_attention")
    cache, layer = place
    key_PBGH, value_PBGH = cache.key_LPBGH[layer], cache.value_LPBGH[layer]
    if batch.max_query == 1:
        return attention.rotate_write_attend(heads_TNH, rope, (key_PBGH, value_PBGH), batch, window)
    query_TQH = rope_and_cache.rotate_and_write(heads_TNH, rope, key_PBGH, value_PBGH, batch.pages.slot_T)
    return GROUPED.paged_attention(query_TQH, key_PBGH, value_PBGH, batch, window)


TRITON = replace(
    GROUPED,
    linear=linear,
    norm=rms_norm.norm,
    paged_attention=paged_attention,
    router=routing.router,
    experts=experts,
    norm_linear=norm_linear,
    linear_add=linear_add,
    norm_router=routing.norm_router,
    experts_add=experts_add,
    rotate_write_attend=rotate_write_attend,
)
