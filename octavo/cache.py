"""Paged keys and values of all layers, one pool for every sequence.

A page holds B positions. Which pages belong to which sequence is the block table's business, so a model with a sliding
window rolls by handing back the pages that no later token can see; the pool itself knows only slots.
"""

import math
import mmap

import torch
from jaxtyping import Float, Int
from torch import Tensor

from octavo.config import ModelConfig


class KVCache:
    """The pool: ``key_LPBGH`` and ``value_LPBGH``; only ``write`` and ``clear`` change it."""

    def __init__(
        self,
        config: ModelConfig,
        *,
        num_pages: int,
        page_size: int,
        dtype: torch.dtype = torch.float32,
        device: torch.device | str = "cpu",
    ) -> None:
        shape = (config.num_layers, num_pages, page_size, config.num_kv_heads, config.head_dim)
        self.page_size = page_size
        # Zeros, not empty: a slot that was never written must not carry another process's memory.
        self.key_LPBGH = zeros(shape, dtype, torch.device(device))
        self.value_LPBGH = zeros(shape, dtype, torch.device(device))

    @staticmethod
    def bytes_per_token(config: ModelConfig, dtype: torch.dtype) -> int:
        """Bytes that one position takes over all layers: 2 · L · G · H · bytes of an element."""
        return 2 * config.num_layers * config.num_kv_heads * config.head_dim * dtype.itemsize

    def write(
        self, layer: int, key_TGH: Float[Tensor, "T G H"], value_TGH: Float[Tensor, "T G H"], slot_T: Int[Tensor, "T"]
    ) -> None:
        """Stores the keys and values of T tokens of ``layer`` in their slots."""
        self.key_LPBGH[layer].flatten(0, 1).index_copy_(0, slot_T, key_TGH)
        self.value_LPBGH[layer].flatten(0, 1).index_copy_(0, slot_T, value_TGH)

    def clear(self, page_p: Int[Tensor, "p"]) -> None:
        """Zeroes p pages in every layer, so that their next owner finds nothing of the last one's, not even a NaN."""
        self.key_LPBGH.index_fill_(1, page_p, 0)
        self.value_LPBGH.index_fill_(1, page_p, 0)


def zeros(shape: tuple[int, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Zeros; on a CPU the operating system's own, which take no memory before they are written.

    Raises MemoryError when the operating system cannot promise as much.
    """
    if device.type != "cpu":
        return torch.zeros(shape, dtype=dtype, device=device)
    size = math.prod(shape) * dtype.itemsize
    try:
        memory = mmap.mmap(-1, size)
    except OSError as error:
        raise MemoryError(
            f"no room for half a cache of {size} bytes ({error.strerror}): give it fewer pages"
        ) from error
    return torch.frombuffer(memory, dtype=dtype).view(shape)
