"""The routing cache: the router's logits of every cached position.

A prompt that begins with pages that are remembered is not read again, so its routing would be missing. It is made again
from here, by the same choice on the same logits: E numbers a layer beside the 2 · G · H of keys and values.
"""

import torch
from jaxtyping import Int
from torch import Tensor

from octavo.cache import zeros
from octavo.config import ModelConfig
from octavo.routing import Routing, route


class RoutingCache:
    """The pool ``logits_PBLE``, float32; only ``write`` changes it."""

    def __init__(self, config: ModelConfig, *, num_pages: int, page_size: int, device: torch.device) -> None:
        shape = (num_pages, page_size, config.num_layers, config.num_experts)
        self.logits_PBLE = zeros(shape, torch.float32, device)
        self._k = config.num_experts_per_tok

    @staticmethod
    def bytes_per_token(config: ModelConfig) -> int:
        """Bytes that one position takes, 4 · L · E: 0.8 % of its keys and values for Mixtral 8x7B in bfloat16."""
        return 4 * config.num_layers * config.num_experts

    def write(self, routings: tuple[Routing, ...], slot_T: Int[Tensor, "T"]) -> None:
        """Stores how T tokens were routed in L layers in their slots."""
        logits_TLE = torch.stack([routing.logits_TE for routing in routings], dim=1)
        self.logits_PBLE.flatten(0, 1).index_copy_(0, slot_T, logits_TLE.float())

    def read(self, page_p: Int[Tensor, "p"]) -> tuple[Routing, ...]:
        """How the tokens of p whole pages were routed, one Routing a layer."""
        logits_TLE = self.logits_PBLE.index_select(0, page_p).flatten(0, 1)
        return tuple(route(logits_TE, self._k) for logits_TE in logits_TLE.unbind(1))
