"""The runner: the model and its cache, which read one batch after another."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int16
from torch import Tensor

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.model import Output, Transformer
from octavo.routing import Routing


@dataclass(frozen=True, slots=True)
class HostRouting:
    """The routings of one forward on the host: experts in rank order, weights and, when wanted, router logits."""

    expert_TLK: Int16[np.ndarray, "T L K"]
    weight_TLK: Float32[np.ndarray, "T L K"]
    logits_TLE: Float32[np.ndarray, "T L E"] | None


class Runner:
    """Holds the model and the cache; only its forwards write the cache."""

    def __init__(self, model: Transformer, cache: KVCache) -> None:
        self.model = model
        self.cache = cache
        self.device = cache.key_LPBGH.device

    @torch.inference_mode()
    def forward(self, batch: Batch, fresh_pages: tuple[int, ...]) -> Output:
        """Reads a batch into the cache; ``fresh_pages`` are cleared first, so that no one reads what another left."""
        if fresh_pages:
            self.cache.clear(torch.tensor(fresh_pages, device=self.device))
        output: Output = self.model(batch, self.cache)
        return output


def to_host(routings: tuple[Routing, ...], *, logits: bool) -> HostRouting:
    """Copies the routings of L layers to the host, token by token."""

    def stack(values: list[Tensor]) -> Tensor:
        return torch.stack(values, dim=1)

    return HostRouting(
        stack([routing.expert_TK for routing in routings]).to("cpu", torch.int16).numpy(),
        stack([routing.weight_TK for routing in routings]).to("cpu", torch.float32).numpy(),
        stack([routing.logits_TE for routing in routings]).to("cpu", torch.float32).numpy() if logits else None,
    )
