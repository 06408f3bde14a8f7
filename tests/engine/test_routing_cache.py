"""The routing cache gives back how cached tokens were routed, exactly as it was decided."""

import torch

from octavo.config import mini, mixtral_8x7b
from octavo.engine.routing_cache import RoutingCache
from octavo.routing import route


def test_a_token_of_mixtral_takes_a_kibibyte() -> None:
    assert RoutingCache.bytes_per_token(mixtral_8x7b()) == 1024


def test_whole_pages_are_routed_as_they_were() -> None:
    cache = RoutingCache(mini(), num_pages=5, page_size=4, device=torch.device("cpu"))
    routings = tuple(route(torch.randn(8, 8), 2) for _ in range(8))
    # Pages 3 and 1, each from its first position to its last.
    cache.write(routings, torch.tensor([12, 13, 14, 15, 4, 5, 6, 7]))
    found = cache.read(torch.tensor([3, 1]))
    for kept, made in zip(found, routings, strict=True):
        assert torch.equal(kept.logits_TE, made.logits_TE)
        assert torch.equal(kept.expert_TK, made.expert_TK)
        assert torch.equal(kept.weight_TK, made.weight_TK)
