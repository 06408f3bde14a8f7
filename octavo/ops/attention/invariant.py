"""Attention that does not know of a batch: every token attends on its own, over exactly the positions that it sees."""

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from octavo.batch import Batch


def packed_attention(
    query_TQH: Float[Tensor, "T Q H"],
    key_TGH: Float[Tensor, "T G H"],
    value_TGH: Float[Tensor, "T G H"],
    batch: Batch,
    window: int | None,
) -> Float[Tensor, "T Q H"]:
    """Attends within each sequence of a batch whose sequences are whole, one token at a time."""
    starts = batch.query_start_S1.tolist()
    said = []
    for start, end in pairwise(starts):
        for row in range(start, end):
            seen = slice(start if window is None else max(start, row - window + 1), row + 1)
            said.append(_attend(query_TQH[row], key_TGH[seen], value_TGH[seen]))
    return torch.stack(said)


def paged_attention(
    query_TQH: Float[Tensor, "T Q H"],
    key_PBGH: Float[Tensor, "P B G H"],
    value_PBGH: Float[Tensor, "P B G H"],
    batch: Batch,
    window: int | None,
) -> Float[Tensor, "T Q H"]:
    """Attends from each new token to the cached positions that it sees, one token at a time.

    Raises ValueError when the batch has no pages.
    """
    pages = batch.pages
    if pages is None:
        raise ValueError("paged_attention got a batch without pages: give it pages, or use packed_attention")
    page_size = key_PBGH.shape[1]
    starts = batch.query_start_S1.tolist()
    said = []
    for sequence, context in enumerate(pages.context_S.tolist()):
        start, end = starts[sequence], starts[sequence + 1]
        oldest = 0 if window is None else max(0, context - (end - start) - window + 1)
        first_page = oldest // page_size
        page_p = pages.page_SP[sequence, first_page : -(-context // page_size)]
        key_CGH, value_CGH = (x_PBGH.index_select(0, page_p).flatten(0, 1) for x_PBGH in (key_PBGH, value_PBGH))
        for row in range(start, end):
            position = context - (end - row)
            seen = slice(
                (0 if window is None else max(0, position - window + 1)) - first_page * page_size,
                position + 1 - first_page * page_size,
            )
            said.append(_attend(query_TQH[row], key_CGH[seen], value_CGH[seen]))
    return torch.stack(said)


def _attend(
    query_QH: Float[Tensor, "Q H"], key_CGH: Float[Tensor, "C G H"], value_CGH: Float[Tensor, "C G H"]
) -> Float[Tensor, "Q H"]:
    """Attends from one token to all of C positions; copies, so that nothing hangs on where in memory they lay."""
    said_1Q1H = functional.scaled_dot_product_attention(
        query_QH.clone()[None, :, None],
        key_CGH.clone().transpose(0, 1)[None],
        value_CGH.clone().transpose(0, 1)[None],
        enable_gqa=query_QH.shape[0] != key_CGH.shape[1],
    )
    return said_1Q1H[0, :, 0]
