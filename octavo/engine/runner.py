"""The runner: the model and its cache, which read one batch after another."""

import torch

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.engine.transfer import Carrier
from octavo.model import Output, Transformer


class Runner:
    """Holds the model and the cache; only its forwards write the cache."""

    def __init__(self, model: Transformer, cache: KVCache) -> None:
        self.model = model
        self.cache = cache
        self.device = cache.key_LPBGH.device
        self.carrier = Carrier(self.device)

    @torch.inference_mode()
    def forward(self, batch: Batch, fresh_pages: tuple[int, ...]) -> Output:
        """Reads a batch into the cache; ``fresh_pages`` are cleared first, so that no one reads what another left."""
        if fresh_pages:
            self.cache.clear(torch.tensor(fresh_pages, device=self.device))
        output: Output = self.model(batch, self.cache)
        return output
