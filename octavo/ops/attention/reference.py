"""Grouped-query attention, softmax(q kᵀ / sqrt(H)) v, causal and windowed (arXiv 2305.13245; window: 2310.06825).

Q query heads share G key/value heads, Q/G to each. With a window W a token at position p sees positions p - W + 1 to p.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional

from octavo.batch import Batch, Pages


def packed_attention(
    query_TQH: Float[Tensor, "T Q H"],
    key_TGH: Float[Tensor, "T G H"],
    value_TGH: Float[Tensor, "T G H"],
    batch: Batch,
    window: int | None,
) -> Float[Tensor, "T Q H"]:
    """Attends within each sequence of a batch whose sequences are whole; nothing is cached."""
    length_S = batch.query_start_S1.diff().tolist()
    sequences = zip(query_TQH.split(length_S), key_TGH.split(length_S), value_TGH.split(length_S), strict=True)
    return torch.cat([_attend(q, k, v, window) for q, k, v in sequences if q.shape[0]])


def paged_attention(
    query_TQH: Float[Tensor, "T Q H"],
    key_PBGH: Float[Tensor, "P B G H"],
    value_PBGH: Float[Tensor, "P B G H"],
    batch: Batch,
    window: int | None,
) -> Float[Tensor, "T Q H"]:
    """Attends from each sequence's new tokens to its cached positions, where its new ones have been written already.

    Raises ValueError when the batch has no pages.
    """
    pages = batch.pages
    if pages is None:
        raise ValueError("paged_attention got a batch without pages: give it pages, or use packed_attention")
    length_S = batch.query_start_S1.diff().tolist()
    if batch.max_query == 1 and len(length_S) > 1 and min(length_S) == 1:
        return _decode(query_TQH, key_PBGH, value_PBGH, pages, window)
    page_size = key_PBGH.shape[1]
    said = []
    for sequence, (query_nQH, context) in enumerate(
        zip(query_TQH.split(length_S), pages.context_S.tolist(), strict=True)
    ):
        num_new = query_nQH.shape[0]
        if not num_new:
            continue
        # The oldest position that the first new token sees; pages before it may have been handed back.
        start = 0 if window is None else max(0, context - num_new - window + 1)
        first_page = start // page_size
        page_p = pages.page_SP[sequence, first_page : -(-context // page_size)]
        held = slice(start - first_page * page_size, context - first_page * page_size)
        # index_select copies whole pages; indexing by brackets copies element by element.
        key_CGH = key_PBGH.index_select(0, page_p).flatten(0, 1)[held]
        value_CGH = value_PBGH.index_select(0, page_p).flatten(0, 1)[held]
        said.append(_attend(query_nQH, key_CGH, value_CGH, window))
    return torch.cat(said)


def _attend(
    query_nQH: Float[Tensor, "n Q H"],
    key_CGH: Float[Tensor, "C G H"],
    value_CGH: Float[Tensor, "C G H"],
    window: int | None,
) -> Float[Tensor, "n Q H"]:
    """Attends from the last n of C positions of one sequence."""
    num_new, context = query_nQH.shape[0], key_CGH.shape[0]
    windowed = window is not None and context > window
    mask_nC = None
    if num_new > 1 and (windowed or num_new < context):
        mask_nC = _visible(num_new, context, window, query_nQH.device)
    said_QnH = functional.scaled_dot_product_attention(
        query_nQH.transpose(0, 1)[None],
        key_CGH.transpose(0, 1)[None],
        value_CGH.transpose(0, 1)[None],
        attn_mask=mask_nC,
        is_causal=num_new > 1 and mask_nC is None,
        enable_gqa=query_nQH.shape[1] != key_CGH.shape[1],
    )[0]
    return said_QnH.transpose(0, 1)


def _visible(num_new: int, context: int, window: int | None, device: torch.device) -> Tensor:
    """Which of C positions each of the last n sees, [n, C] booleans."""
    key_C = torch.arange(context, device=device)
    query_n1 = key_C[context - num_new :, None]
    seen_nC = key_C <= query_n1
    return seen_nC if window is None else seen_nC & (key_C > query_n1 - window)


def _decode(
    query_SQH: Float[Tensor, "S Q H"],
    key_PBGH: Float[Tensor, "P B G H"],
    value_PBGH: Float[Tensor, "P B G H"],
    pages: Pages,
    window: int | None,
) -> Float[Tensor, "S Q H"]:
    """One new token a sequence: gathers every block table side by side and masks what lies outside each context."""
    position_C = torch.arange(pages.page_SP.shape[1] * key_PBGH.shape[1], device=query_SQH.device)
    last_S1: Int[Tensor, "S 1"] = pages.context_S[:, None] - 1
    seen_SC = position_C <= last_S1
    if window is not None:
        seen_SC = seen_SC & (position_C > last_S1 - window)
    num_sequences, num_pages = pages.page_SP.shape
    page_N = pages.page_SP.flatten()
    key_SCGH, value_SCGH = (
        x_PBGH.index_select(0, page_N).unflatten(0, (num_sequences, num_pages)).flatten(1, 2)
        for x_PBGH in (key_PBGH, value_PBGH)
    )
    return functional.scaled_dot_product_attention(
        query_SQH[:, :, None],
        key_SCGH.transpose(1, 2),
        value_SCGH.transpose(1, 2),
        attn_mask=seen_SC[:, None, None],
        enable_gqa=query_SQH.shape[1] != key_SCGH.shape[2],
    )[:, :, 0]
