"""The runner: the model and its caches, which read one batch after another."""

import torch

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.engine.routing_cache import RoutingCache
from octavo.engine.transfer import Carrier, Transfer
from octavo.model import Output, Transformer


class Runner:
    """Holds the model and the caches, which only its forwards write; without a ``routing_cache`` no routing is kept."""

    def __init__(self, model: Transformer, cache: KVCache, routing_cache: RoutingCache | None = None) -> None:
        self.model = model
        self.cache = cache
        self.device = cache.key_LPBGH.device
        self.carrier = Carrier(self.device)
        self._routing_cache = routing_cache

    @torch.inference_mode()
    def forward(self, batch: Batch, fresh_pages: tuple[int, ...]) -> Output:
        """Reads a batch into the caches; ``fresh_pages`` are cleared first, so that no one reads what another left."""
        if fresh_pages:
            self.cache.clear(torch.tensor(fresh_pages, device=self.device))
        output: Output = self.model(batch, self.cache)
        if self._routing_cache is not None and batch.pages is not None:
            self._routing_cache.write(output.routings, batch.pages.slot_T)
        return output

    def recall(self, pages: list[int], *, logits: bool) -> Transfer:
        """Sends to the host how the tokens of whole ``pages`` were routed when they were read."""
        assert self._routing_cache is not None, "pages were found though nothing is remembered"
        routings = self._routing_cache.read(torch.tensor(pages, device=self.device))
        return self.carrier.send(routings, logits=logits)
