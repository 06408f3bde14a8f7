"""The runner: the model and its cache, which read one batch after another."""

import torch

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.engine.transfer import Transfer
from octavo.model import Output, Transformer


class Runner:
    """Holds the model and the cache; only its forwards write the cache."""

    def __init__(self, model: Transformer, cache: KVCache) -> None:
        self.model = model
        self.cache = cache
        self.device = cache.key_LPBGH.device
        self._stream = torch.cuda.Stream(self.device) if self.device.type == "cuda" else None

    @torch.inference_mode()
    def forward(self, batch: Batch, fresh_pages: tuple[int, ...]) -> Output:
        """Reads a batch into the cache; ``fresh_pages`` are cleared first, so that no one reads what another left."""
        if fresh_pages:
            self.cache.clear(torch.tensor(fresh_pages, device=self.device))
        output: Output = self.model(batch, self.cache)
        return output

    def send(self, output: Output, *, logits: bool) -> Transfer:
        """Sends the routings of a forward to the host, and waits for nothing."""
        return Transfer(output.routings, logits=logits, stream=self._stream)
