"""Routing rows in the making: gathered step by step, handed out as arrays."""

import numpy as np

from octavo.config import ModelConfig
from octavo.engine.request import RoutingRows

Arrays = tuple[np.ndarray, np.ndarray, np.ndarray | None]


class Rows:
    """Gathers rows of one prompt or output in order; ``count`` of them so far."""

    def __init__(self, config: ModelConfig, *, logits: bool) -> None:
        chosen = (0, config.num_layers, config.num_experts_per_tok)
        self._empty = RoutingRows(
            0,
            np.empty(chosen, np.int16),
            np.empty(chosen, np.float32),
            np.empty((0, config.num_layers, config.num_experts), np.float32) if logits else None,
        )
        self._parts: list[RoutingRows] = []
        self.count = 0

    def add(self, rows: RoutingRows) -> None:
        """Takes in the rows that follow."""
        self._parts.append(rows)
        self.count += len(rows.expert_TLK)

    def pad(self, length: int) -> None:
        """Fills up to ``length`` tokens with rows of tokens that nobody read: experts -1, weights and logits 0."""
        missing = length - self.count
        if missing <= 0:
            return
        _, layers, k = self._empty.expert_TLK.shape
        logits = self._empty.logits_TLE
        self.add(
            RoutingRows(
                self.count,
                np.full((missing, layers, k), -1, np.int16),
                np.zeros((missing, layers, k), np.float32),
                None if logits is None else np.zeros((missing, *logits.shape[1:]), np.float32),
            )
        )

    def take(self) -> Arrays:
        """Experts, weights and logits of the rows since the last call; logits are None where they were not wanted."""
        parts, self._parts = [self._empty, *self._parts], []
        logits = [part.logits_TLE for part in parts if part.logits_TLE is not None]
        return (
            np.concatenate([part.expert_TLK for part in parts]),
            np.concatenate([part.weight_TLK for part in parts]),
            np.concatenate(logits) if logits else None,
        )
