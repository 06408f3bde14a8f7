"""Routing statistics of live traffic: how evenly each layer's experts are used, since the start and of late.

    expert_share   N_e / Σ N over the layer's T·K assignments, so that it sums to 1
    entropy_bits   −Σ_e p_e log2 p_e, log2 E when all experts are used alike
    max_violation  max_e N_e / mean_e N_e − 1, 0 when all are used alike
    cv             standard deviation of N over its mean, 0 when all are used alike

The measures are those of ``octavo.analysis.statistics``, entropy as plug-in. Every token that the engine reads counts,
prompts and preempted ones read anew included, whoever sent it. The window moves on by whole seconds.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Int64

from octavo.analysis.statistics import balance
from octavo.analysis.statistics.information import entropy
from octavo.server.backend.service import StepReport

WINDOW_SECONDS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerLoad:
    """One layer's load; the measures are None, and the shares 0, where nothing was counted."""

    layer: int
    tokens: int
    expert_share: tuple[float, ...]
    entropy_bits: float | None
    max_violation: float | None
    cv: float | None

    def wire(self) -> dict[str, Any]:
        """As it goes into JSON."""
        return {
            "layer": self.layer,
            "tokens": self.tokens,
            "expert_share": list(self.expert_share),
            "entropy_bits": self.entropy_bits,
            "max_violation": self.max_violation,
            "cv": self.cv,
        }


class RoutingStats:
    """Counts what the engine's steps report, of ``shape`` layers and experts; without it the first step tells them.

    ``clock`` gives seconds. Steps and questions come from one thread.
    """

    def __init__(
        self,
        shape: tuple[int, int] = (0, 0),
        *,
        window_seconds: int = WINDOW_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.window_seconds = window_seconds
        self._clock = clock
        self._tokens = 0
        self._count_LE: Int64[np.ndarray, "L E"] = np.zeros(shape, np.int64)
        # Slot s holds what was counted in second ``_second_W[s]``; it is cleared when its turn comes again.
        self._second_W = np.full(window_seconds, -1, np.int64)
        self._tokens_W = np.zeros(window_seconds, np.int64)
        self._count_WLE: Int64[np.ndarray, "W L E"] = np.zeros((window_seconds, *shape), np.int64)

    @property
    def selections_LE(self) -> Int64[np.ndarray, "L E"]:
        """Assignments to each expert of each layer since the start; empty for a dense model.

        It goes on counting: copy what is to be kept.
        """
        return self._count_LE

    def add(self, report: StepReport) -> None:
        """Counts one step; of a dense model there is nothing to count."""
        count_LE = report.expert_count_LE
        if count_LE is None:
            return
        if self._count_LE.shape != count_LE.shape:
            self._begin(count_LE.shape)
        second = int(self._clock())
        slot = second % self.window_seconds
        if self._second_W[slot] != second:
            self._second_W[slot] = second
            self._tokens_W[slot] = 0
            self._count_WLE[slot] = 0
        self._tokens += report.tokens_read
        self._count_LE += count_LE
        self._tokens_W[slot] += report.tokens_read
        self._count_WLE[slot] += count_LE

    def since_start(self) -> list[LayerLoad]:
        """Each layer's load since the start."""
        return _loads(self._count_LE, self._tokens)

    def of_late(self) -> list[LayerLoad]:
        """Each layer's load within the last ``window_seconds``."""
        fresh_W = self._second_W > int(self._clock()) - self.window_seconds
        return _loads(self._count_WLE[fresh_W].sum(axis=0), int(self._tokens_W[fresh_W].sum()))

    def wire(self) -> dict[str, Any]:
        """Both, as they go into JSON."""
        return {
            "since_start": {"layers": [each.wire() for each in self.since_start()]},
            "window": {"seconds": self.window_seconds, "layers": [each.wire() for each in self.of_late()]},
        }

    def _begin(self, shape: tuple[int, ...]) -> None:
        """Makes room for another model's layers and experts; what an earlier one chose counts no more."""
        self._tokens = 0
        self._count_LE = np.zeros(shape, np.int64)
        self._second_W[:] = -1
        self._count_WLE = np.zeros((self.window_seconds, *shape), np.int64)


def _loads(count_LE: Int64[np.ndarray, "L E"], tokens: int) -> list[LayerLoad]:
    if not count_LE.size:
        return []
    violation_L, cv_L = balance.max_violation(count_LE), balance.variation(count_LE)
    total_L = count_LE.sum(axis=1)
    return [
        LayerLoad(
            layer=layer,
            tokens=tokens,
            expert_share=tuple((count_LE[layer] / max(int(total), 1)).tolist()),
            entropy_bits=_known(entropy(count_LE[layer])),
            max_violation=_known(violation_L[layer]),
            cv=_known(cv_L[layer]),
        )
        for layer, total in enumerate(total_L)
    ]


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
