"""KVCache stores keys and values by slot, and says how much room a token takes."""

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
