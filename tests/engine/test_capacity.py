"""The cache is as large as asked for, or as the memory and the sequences make sensible."""

from dataclasses import replace

import pytest
import torch

from octavo.cache import KVCache
from octavo.config import mini, mixtral_8x7b
from octavo.engine import capacity
from octavo.engine.capacity import num_pages
from octavo.engine.config import EngineConfig
from octavo.engine.routing_cache import RoutingCache
from octavo.errors import ConfigError

CPU = torch.device("cpu")


def pages(engine: EngineConfig, *, dtype: torch.dtype = torch.float32) -> int:
    return num_pages(mini(), engine, dtype=dtype, device=CPU)


def test_a_number_that_is_given_is_taken() -> None:
    assert pages(EngineConfig(num_pages=123)) == 123


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_memory_is_filled_but_not_exceeded(dtype: torch.dtype) -> None:
    page_bytes = 16 * KVCache.bytes_per_token(mini(), dtype)
    routing_bytes = 16 * RoutingCache.bytes_per_token(mini())
    alone = EngineConfig(memory_bytes=100 * page_bytes + 5, enable_prefix_caching=False)
    assert pages(alone, dtype=dtype) == 100
    cache = KVCache(mini(), num_pages=100, page_size=16, dtype=dtype)
    assert cache.key_LPBGH.nbytes + cache.value_LPBGH.nbytes == 100 * page_bytes
    both = EngineConfig(memory_bytes=100 * (page_bytes + routing_bytes) + 5)
    assert pages(both, dtype=dtype) == 100
    assert RoutingCache(mini(), num_pages=100, page_size=16, device=CPU).logits_PBLE.nbytes == 100 * routing_bytes


def test_no_more_than_the_sequences_can_use() -> None:
    assert pages(EngineConfig(memory_bytes=2**40, max_num_seqs=3, max_model_len=100)) == 3 * 7 + 1


def test_too_little_memory_is_refused_with_both_numbers() -> None:
    with pytest.raises(ConfigError, match="may take 1000 bytes, but its two smallest pages take 270336"):
        pages(EngineConfig(memory_bytes=1000))


def test_unasked_the_cpu_gives_a_sequence_of_full_length_or_a_gibibyte(monkeypatch: pytest.MonkeyPatch) -> None:
    free = {"SC_AVPHYS_PAGES": 64 * 2**30 // 4096, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(capacity.os, "sysconf", free.__getitem__)
    page_bytes = 16 * (KVCache.bytes_per_token(mini(), torch.float32) + RoutingCache.bytes_per_token(mini()))
    assert pages(EngineConfig()) == 2**30 // page_bytes
    large = mixtral_8x7b()
    assert num_pages(large, EngineConfig(), dtype=torch.bfloat16, device=CPU) == 32768 // 16
    free["SC_AVPHYS_PAGES"] //= 64
    assert pages(EngineConfig()) == 2**28 // page_bytes
    long = replace(large, context_length=2**20)
    assert num_pages(long, EngineConfig(), dtype=torch.bfloat16, device=CPU) == 2**29 // (16 * (131072 + 1024))
