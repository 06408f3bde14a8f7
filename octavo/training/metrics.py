"""What a run says of itself: a StepReport every few steps, for metrics.jsonl and, if wanted, for TensorBoard."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from octavo.errors import ConfigError
from octavo.training.evaluate import Evaluation


@dataclass(frozen=True, slots=True, kw_only=True)
class StepReport:
    """The state of a run after ``step`` of ``steps``.

    Losses, ``balance`` (1 is even), ``z`` and ``expert_share_LE`` (each expert's share of its layer's assignments;
    None in a dense model) are means over the steps since the last report; ``balance`` and ``z`` also over the layers.
    ``mfu`` is the share of the device's peak, None where that is not known. ``seconds_left`` is an estimate.
    """

    step: int
    steps: int
    tokens: int
    loss: float
    cross_entropy: float
    balance: float | None
    z: float | None
    learning_rate: float
    gradient_norm: float
    tokens_per_second: float
    mfu: float | None
    seconds: float
    seconds_left: float
    expert_share_LE: tuple[tuple[float, ...], ...] | None
    validation: Evaluation | None = None

    def record(self) -> dict[str, Any]:
        """The report as it is written: plain values by name, a number that is not finite as null."""
        found: dict[str, Any] = {
            name: getattr(self, name) for name in self.__slots__ if name not in ("validation", "expert_share_LE")
        }
        found["expert_share"] = self.expert_share_LE
        if self.validation is not None:
            found["validation"] = {
                "bits_per_byte": self.validation.bits_per_byte,
                "loss": self.validation.loss,
                "domains": {
                    score.domain: {"bits_per_byte": score.bits_per_byte, "loss": score.loss}
                    for score in self.validation.domains
                },
            }
        return {name: _plain(value) for name, value in found.items() if value is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, tuple | list):
        return [_plain(x) for x in value]
    if isinstance(value, dict):
        return {key: _plain(x) for key, x in value.items()}
    return value


class Journal:
    """``metrics.jsonl`` of a run: one report a line, each on disk before the next step."""

    def __init__(self, path: Path, *, first_step: int) -> None:
        """Opens ``path``, leaving out what a run that did not reach its next checkpoint wrote after ``first_step``."""
        kept = b""
        if path.is_file():
            for line in path.read_bytes().splitlines(keepends=True):
                if line.endswith(b"\n") and json.loads(line)["step"] <= first_step:
                    kept += line
        scratch = path.with_name(f"{path.name}.new")
        scratch.write_bytes(kept)
        os.replace(scratch, path)
        self.path = path

    def write(self, report: StepReport) -> None:
        """Appends one report."""
        with self.path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(report.record()) + "\n")


class Scalars(Protocol):
    """Where curves are drawn: the part of TensorBoard's writer that is used."""

    def add_scalar(self, tag: str, scalar_value: float, global_step: int) -> None:
        """Adds a point to a curve."""

    def close(self) -> None:
        """Writes what is left."""


def tensorboard(folder: Path) -> Scalars:
    """A TensorBoard writer. Raises ConfigError when the extra is not installed."""
    try:
        from torch.utils.tensorboard import SummaryWriter  # noqa: PLC0415, an optional extra
    except ImportError as error:
        raise ConfigError(
            "TensorBoard was asked for but is not installed: pip install 'octavo[train]', or leave it out"
        ) from error
    writer: Scalars = SummaryWriter(str(folder))
    return writer


def draw(scalars: Scalars, report: StepReport) -> None:
    """Adds a report's points to the curves: one for each number, each domain, and the extreme experts of each layer."""
    for name in ("loss", "cross_entropy", "balance", "z", "learning_rate", "gradient_norm", "tokens_per_second", "mfu"):
        value = getattr(report, name)
        if value is not None:
            scalars.add_scalar(f"train/{name}", value, report.step)
    for layer, share_E in enumerate(report.expert_share_LE or ()):
        for expert, share in enumerate(share_E):
            scalars.add_scalar(f"expert_share/layer_{layer}/expert_{expert}", share, report.step)
    for score in report.validation.domains if report.validation else ():
        scalars.add_scalar(f"validation_bits_per_byte/{score.domain}", score.bits_per_byte, report.step)
