"""Routing rows in the making: gathered step by step, handed out as arrays."""

import numpy as np

from octavo.config import ModelConfig
from octavo.engine.request import RoutingRows
from octavo.engine.transfer import HostRouting

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]


class Rows:
    """Gathers rows of one prompt or output in order; ``count`` of them so far."""

    def __init__(self, config: ModelConfig, *, logits: bool) -> None:
        self._config = config
        self._logits = logits
        self._parts: list[RoutingRows] = []
        self.count = 0

    def add(self, rows: RoutingRows) -> None:
        """Takes in the rows that follow."""
        self._parts.append(rows)
        self.count += rows.count

    def pad(self, length: int) -> None:
        """Fills up to ``length`` tokens with rows of tokens that nobody read: experts -1, weights and logits 0."""
        if (missing := length - self.count) > 0:
            self.add(self._nobodys(missing))

    def take(self) -> Arrays:
        """Experts, weights and logits of the rows since the last call; logits are None where they were not wanted."""
        parts, self._parts = self._parts or [self._nobodys(0)], []
        experts, weights, logits = zip(*(part.arrays() for part in parts), strict=True)
        return (
            np.concatenate(experts),
            np.concatenate(weights),
            np.concatenate([part for part in logits if part is not None]) if self._logits else None,
        )

    def _nobodys(self, count: int) -> RoutingRows:
        config = self._config
        chosen = (count, config.num_layers, config.num_experts_per_tok)
        scored = (count, config.num_layers, config.num_experts)
        host = HostRouting(
            np.full(chosen, -1, np.int16),
            np.zeros(chosen, np.float32),
            np.zeros(scored, np.float32) if self._logits else None,
        )
        return RoutingRows(self.count, host, slice(0, count), self._logits)
