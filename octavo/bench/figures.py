"""Figure: one number that was measured, beside the most that the device could give, and where it comes from."""

import dataclasses
import datetime
import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

Phase = Literal["decode", "prefill", "throughput", "layer", "startup"]
SHORT_NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One row of results.

    ``roofline`` is the tokens a second that the device could give, ``spread`` half the range from the 10th to the 90th
    percentile as a share of the median, ``check`` what was compared before anything was timed. ``experts_touched`` is
    the mean over layers and steps, None where there are no experts. A start-up's one token a start-up is its speed.
    """

    shape: str
    device: str
    phase: Phase
    weights: str
    batch: int
    context: int
    experts_touched: float | None
    telemetry: Literal["on", "off"]
    tokens_per_second: float
    roofline: float | None
    spread: float
    check: str
    commit: str
    date: str

    @property
    def share(self) -> float | None:
        """How much of the roofline was reached."""
        return None if self.roofline is None else self.tokens_per_second / self.roofline

    def row(self) -> dict[str, Any]:
        """Its fields by name."""
        return dataclasses.asdict(self)


def spread_of(values: Sequence[float]) -> float:
    """Half the range from the 10th to the 90th percentile, as a share of the median; 0 of a single value."""
    if len(values) < 2:
        return 0.0
    tenths = statistics.quantiles(values, n=10, method="inclusive")
    return (tenths[-1] - tenths[0]) / 2 / statistics.median(values)


def origin(device: torch.device) -> dict[str, str]:
    """What every figure of a run says of where it comes from: device, commit and date."""
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else processor(),
        "commit": commit(),
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d"),
    }


def surroundings(device: torch.device) -> dict[str, Any]:
    """What else a result depends on: versions, cores, threads, and how busy the machine was."""
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        **origin(device),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": load,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def commit() -> str:
    """The commit that runs, "-dirty" behind it where files differ from it; OCTAVO_COMMIT where there is no git."""
    told = os.environ.get("OCTAVO_COMMIT")
    if told:
        return told
    call = ["git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(call, cwd=Path(__file__).parent, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"


def processor() -> str:
    """The name of this machine's processor."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()
