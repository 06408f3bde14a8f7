"""How many pages the cache gets: what is asked for, or what the sequences can use and the memory can hold."""

import os

import torch

from octavo.cache import KVCache
from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.prefix import are_kept
from octavo.engine.routing_cache import RoutingCache
from octavo.errors import ConfigError

CPU_CACHE_BYTES = 2**30
GPU_SHARE = 0.9


def num_pages(config: ModelConfig, engine: EngineConfig, *, dtype: torch.dtype, device: torch.device) -> int:
    """Pages of the pool, the null page included.

    Never more than ``max_num_seqs`` sequences of full length can use. Raises ConfigError when the memory does not hold
    one page and the null page.
    """
    if engine.num_pages is not None:
        return engine.num_pages
    token_bytes = KVCache.bytes_per_token(config, dtype)
    if are_kept(engine, window=config.sliding_window):
        token_bytes += RoutingCache.bytes_per_token(config)
    page_bytes = token_bytes * engine.page_size
    length = engine.max_model_len or config.context_length
    per_sequence = -(-length // engine.page_size)
    budget = engine.memory_bytes
    if budget is None:
        budget = _spare_bytes(device, one_sequence=per_sequence * page_bytes)
    pages = min(budget // page_bytes, engine.max_num_seqs * per_sequence + 1)
    if pages < 2:
        raise ConfigError(
            f"the cache may take {budget} bytes, but its two smallest pages take {2 * page_bytes}: "
            "give it more with memory_bytes, or lower page_size"
        )
    return pages


def _spare_bytes(device: torch.device, *, one_sequence: int) -> int:
    """Memory that the cache may take without being told."""
    if device.type == "cuda":
        free, total = torch.cuda.mem_get_info(device)
        return max(0, int(free - (1 - GPU_SHARE) * total))
    # On a CPU the memory is everybody's: one sequence of full length if half of what is free holds it, and up to 1 GiB.
    free = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return max(min(CPU_CACHE_BYTES, free // 4), min(one_sequence, free // 2))
