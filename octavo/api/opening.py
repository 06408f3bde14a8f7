"""From what a caller names to what runs: where the model's folder is, on which device it goes, in which dtype."""

import importlib.resources
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from octavo.checkpoint import load_model, open_folder
from octavo.errors import CheckpointError, ConfigError
from octavo.model import Transformer
from octavo.ops import REFERENCE

EMBEDDED = "octavo-mini"
DTYPES = {
    "float32": torch.float32,
    "float": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "half": torch.float16,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model in memory, the folder it came from, and the ids that end its texts."""

    model: Transformer
    folder: Path
    eos_token_ids: frozenset[int]


def find_model(model: str | os.PathLike[str] | None) -> Path:
    """The folder of a model: of the one that is named, else of ``OCTAVO_MODEL``, else of the embedded one.

    Raises CheckpointError when there is none.
    """
    named = os.fspath(model) if model is not None else os.environ.get("OCTAVO_MODEL") or EMBEDDED
    if named == EMBEDDED:
        embedded = Path(str(importlib.resources.files("octavo") / "mini"))
        if not (embedded / "config.json").exists():
            raise CheckpointError(
                f"{embedded}: the embedded model is not here: install the package whole, or name a model"
            )
        return embedded
    return Path(named)


def choose_device(device: str | torch.device) -> torch.device:
    """The device that is named; "auto" is a GPU where there is one. Raises ConfigError for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        raise ConfigError(f"device is {device!r}: want auto, cpu, cuda or cuda:0") from None
    if chosen.type == "cuda" and (not torch.cuda.is_available() or (chosen.index or 0) >= torch.cuda.device_count()):
        raise ConfigError(
            f"device is {str(device)!r}, but this machine has {torch.cuda.device_count()} GPUs: want auto or cpu"
        )
    if chosen.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {str(device)!r}: want auto, cpu, cuda or cuda:0")
    return chosen


def choose_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype | None:
    """The dtype that is named; "auto" is float32 on a CPU and the stored one, None, elsewhere.

    Raises ConfigError for one that is not known.
    """
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else None
    chosen = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if chosen not in DTYPES.values():
        raise ConfigError(f"dtype is {str(dtype)!r}: want auto, float32, bfloat16 or float16")
    return chosen


def open_model(
    model: str | os.PathLike[str] | None,
    *,
    device: str | torch.device,
    dtype: str | torch.dtype,
    verify: bool,
) -> Opened:
    """Loads a model; raises what its parts raise: ConfigError or CheckpointError."""
    chosen = choose_device(device)
    folder = open_folder(find_model(model))
    loaded = load_model(folder, device=chosen, dtype=choose_dtype(dtype, chosen), ops=REFERENCE, verify=verify)
    return Opened(model=loaded.eval(), folder=folder.path, eos_token_ids=frozenset(folder.eos_token_ids))
