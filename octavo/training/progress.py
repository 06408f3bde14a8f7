"""What a run measured since its last report, kept on the device so that no step waits for it."""

import math
import time
from dataclasses import dataclass, field

import torch
from torch import Tensor

from octavo.errors import OctavoError
from octavo.training.config import TrainConfig
from octavo.training.flops import peak_flops, train_flops
from octavo.training.metrics import StepReport
from octavo.training.optimizer import rate_at
from octavo.training.packing import Place


class TrainingStopped(OctavoError, RuntimeError):
    """A run that cannot go on: its loss is no longer a number."""


@dataclass(frozen=True, slots=True)
class Measured:
    """One step: where its batch began, and its numbers, still on the device."""

    step: int
    place: Place
    loss: Tensor
    cross_entropy: Tensor
    balance: Tensor | None
    z: Tensor | None
    norm: Tensor


@dataclass(slots=True)
class Progress:
    """Collects the steps of a run and turns them into reports; its clock runs only between ``start`` and ``pause``."""

    config: TrainConfig
    device: torch.device
    tokens: int = 0
    seconds: float = 0.0
    steps: list[Measured] = field(default_factory=list)
    load_LE: Tensor | None = None
    _since: float = 0.0
    _tokens: int = 0
    _seen: int = 0
    _spent: float = 0.0

    def start(self) -> None:
        """Starts the clock."""
        self._since = time.perf_counter()

    def pause(self) -> None:
        """Waits for the device and stops the clock."""
        if self.device.type == "cuda":
            torch.cuda.synchronize(self.device)
        passed = time.perf_counter() - self._since
        self._spent += passed
        self.seconds += passed

    def add(self, measured: Measured, load_LE: Tensor, *, num_tokens: int, num_seen: int) -> None:
        """Adds a step."""
        self.steps.append(measured)
        self.load_LE = load_LE if self.load_LE is None else self.load_LE + load_LE
        self.tokens += num_tokens
        self._tokens += num_tokens
        self._seen += num_seen

    def first_not_a_number(self) -> Measured | None:
        """The first step since the last report whose loss or gradient was not finite."""
        finite = torch.stack([m.loss + m.norm for m in self.steps]).isfinite().tolist() if self.steps else []
        return next((m for m, good in zip(self.steps, finite, strict=True) if not good), None)

    def report(self) -> StepReport:
        """The means since the last report, with the clock stopped; then begins anew."""
        last = self.steps[-1].step
        speed = self._tokens / self._spent
        flops = train_flops(self.config.model, num_tokens=self._tokens, num_seen=self._seen)
        peak = peak_flops(self.device)
        share_LE = None
        if self.load_LE is not None and self.load_LE.numel():
            share_LE = tuple(tuple(row) for row in (self.load_LE / self.load_LE.sum(dim=1, keepdim=True)).tolist())
        found = StepReport(
            step=last,
            steps=self.config.steps,
            tokens=self.tokens,
            loss=_mean([m.loss for m in self.steps]),
            cross_entropy=_mean([m.cross_entropy for m in self.steps]),
            balance=_mean([m.balance for m in self.steps if m.balance is not None]) if share_LE else None,
            z=_mean([m.z for m in self.steps if m.z is not None]) if share_LE else None,
            learning_rate=rate_at(last - 1, self.config) * self.config.learning_rate,
            gradient_norm=_mean([m.norm for m in self.steps]),
            tokens_per_second=speed,
            mfu=flops / self._spent / peak if peak else None,
            seconds=self.seconds,
            seconds_left=(self.config.steps - last) * self.config.batch_tokens / speed,
            expert_share_LE=share_LE,
        )
        self.steps, self.load_LE = [], None
        self._tokens, self._seen, self._spent = 0, 0, 0.0
        return found


def _mean(values: list[Tensor]) -> float:
    return float(torch.stack(values).float().mean()) if values else math.nan
