"""Packed grouped-query attention by torch's own FlashAttention (arXiv 2307.08691), for GPUs and bfloat16.

The kernel takes fewer key/value heads than query heads as they are. It is called through ``torch.ops.aten`` because
the public wrapper takes grouped heads under another signature in each torch release.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from octavo.batch import Batch


def packed_attention(
    query_TQH: Float[Tensor, "T Q H"],
    key_TGH: Float[Tensor, "T G H"],
    value_TGH: Float[Tensor, "T G H"],
    batch: Batch,
    window: int | None,
) -> Float[Tensor, "T Q H"]:
    """Attends within each sequence of a batch whose sequences are whole; nothing is cached, or waits for the device."""
    said_TQH: Tensor = torch.ops.aten._flash_attention_forward(
        query_TQH,
        key_TGH,
        value_TGH,
        batch.query_start_S1,
        batch.query_start_S1,
        batch.max_query,
        batch.max_query,
        0.0,
        True,
        False,
        # A window of W positions is the token itself and W - 1 to its left.
        window_size_left=None if window is None else window - 1,
        window_size_right=None if window is None else 0,
    )[0]
    return said_TQH
