"""KVCache stores keys and values by slot, and says how much room a token takes."""

import resource
from pathlib import Path

import pytest
import torch

from octavo.cache import KVCache
from octavo.config import mini, mixtral_8x7b


def test_a_token_of_mixtral_takes_131072_bytes_in_bfloat16() -> None:
    assert KVCache.bytes_per_token(mixtral_8x7b(), torch.bfloat16) == 131_072


def test_write_fills_the_named_slots_of_one_layer_and_nothing_else() -> None:
    config = mini()
    cache = KVCache(config, num_pages=3, page_size=4)
    key_TGH, value_TGH = torch.randn(2, 5, config.num_kv_heads, config.head_dim)
    slot_T = torch.tensor([11, 0, 3, 7, 4])
    cache.write(2, key_TGH, value_TGH, slot_T)
    for pool_LPBGH, written_TGH in ((cache.key_LPBGH, key_TGH), (cache.value_LPBGH, value_TGH)):
        assert torch.equal(pool_LPBGH[2].flatten(0, 1)[slot_T], written_TGH)
        untouched = [slot for slot in range(12) if slot not in slot_T.tolist()]
        assert not pool_LPBGH[2].flatten(0, 1)[untouched].any()
        assert not pool_LPBGH[[layer for layer in range(config.num_layers) if layer != 2]].any()


def test_cleared_pages_hold_zeros_and_the_others_what_they_held() -> None:
    cache = KVCache(mini(), num_pages=5, page_size=4)
    cache.key_LPBGH.fill_(1.0)
    cache.value_LPBGH.fill_(torch.nan)
    cache.clear(torch.tensor([1, 3]))
    assert not cache.key_LPBGH[:, [1, 3]].any()
    assert not cache.value_LPBGH[:, [1, 3]].any()
    assert cache.key_LPBGH[:, [0, 2, 4]].min() == 1
    assert cache.value_LPBGH[:, [0, 2, 4]].isnan().all()


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="this system does not say what a process takes")
def test_a_pool_takes_no_memory_before_it_is_written() -> None:
    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

    before = resident()
    cache = KVCache(mini(), num_pages=2**14, page_size=16, dtype=torch.bfloat16)
    assert cache.key_LPBGH.nbytes == 2**29
    cache.clear(torch.arange(16))
    assert not cache.key_LPBGH[:, :16].any()
    assert resident() - before < 2**26


def test_more_memory_than_there_is_is_refused() -> None:
    with pytest.raises(MemoryError, match="no room for half a cache of"):
        KVCache(mini(), num_pages=2**45, page_size=16)
