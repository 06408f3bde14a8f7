"""From what a caller names to what runs: where the model's folder is, on which device it goes, in which dtype."""

import importlib.resources
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch

from octavo.checkpoint import fetch, load_model, open_folder, read_settings
from octavo.config import ModelConfig
from octavo.engine.capacity import plan_for
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import MemoryPlan
from octavo.errors import CheckpointError, ConfigError
from octavo.model import Transformer
from octavo.ops import INVARIANT, best
from octavo.parameters import count
from octavo.tokenizer import Tokenizer, has_tokenizer_files

EMBEDDED = "octavo-mini"
# Parameters that a token meets; octavo-mini has 7 million of them, Mixtral 8x7B 13 billion.
SMALL = 30_000_000
DTYPES = {
    "float32": torch.float32,
    "float": torch.float32,
    "bfloat16": torch.bfloat16,
    "float16": torch.float16,
    "half": torch.float16,
}

Planned = Callable[[MemoryPlan], None]
"""Hears what a model will take before it is loaded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """A model ready to run, its tokenizer where there is one, the ids that end its texts, and the folder of it all."""

    model: Transformer
    tokenizer: Tokenizer | None
    eos_token_ids: frozenset[int]
    folder: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Described:
    """What a model's folder says of it without its weights, and its tokenizer where there is one."""

    config: ModelConfig
    tokenizer: Tokenizer | None
    folder: Path


def find_model(model: str | os.PathLike[str] | None, *, revision: str | None = None) -> Path:
    """The folder of a model: the one that is named, by path or Hub id, else ``OCTAVO_MODEL``'s, else the embedded one.

    Raises CheckpointError when there is none.
    """
    named = os.fspath(model) if model is not None else os.environ.get("OCTAVO_MODEL") or EMBEDDED
    if named != EMBEDDED:
        return fetch(named, revision=revision)
    embedded = Path(str(importlib.resources.files("octavo") / "mini"))
    if not (embedded / "config.json").exists():
        raise CheckpointError(f"{embedded}: the embedded model is not here: install the package whole, or name a model")
    return embedded


def choose_device(device: str | torch.device) -> torch.device:
    """The device that is named; "auto" is a GPU where there is one. Raises ConfigError for one that is not there."""
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
    except (RuntimeError, TypeError):
        chosen = torch.device("meta")
    if chosen.type not in ("cpu", "cuda"):
        raise ConfigError(f"device is {str(device)!r}: want auto, cpu, cuda or cuda:0")
    gpus = torch.cuda.device_count() if chosen.type == "cuda" else 0
    if chosen.type == "cuda" and (chosen.index or 0) >= gpus:
        raise ConfigError(f"device is {str(device)!r}, but torch finds {gpus} GPUs here: want one of them, auto or cpu")
    return chosen


def choose_dtype(dtype: str | torch.dtype, device: torch.device) -> torch.dtype | None:
    """The dtype that is named; "auto" is float32 on a CPU and elsewhere None, the stored one.

    Raises ConfigError for one that is not known.
    """
    if dtype == "auto":
        return torch.float32 if device.type == "cpu" else None
    chosen = DTYPES.get(dtype) if isinstance(dtype, str) else dtype
    if chosen not in DTYPES.values():
        raise ConfigError(f"dtype is {str(dtype)!r}: want auto, float32, bfloat16 or float16")
    return chosen


def use_one_thread_if_small(config: ModelConfig, device: torch.device) -> None:
    """On a CPU, steps of a small model are over before two threads have met: with two busy cores one is 5 times faster.

    OMP_NUM_THREADS, where it is set, stands.
    """
    if device.type == "cpu" and "OMP_NUM_THREADS" not in os.environ and count(config).active < SMALL:
        torch.set_num_threads(1)


def find_tokenizer(tokenizer: Tokenizer | str | os.PathLike[str] | None, folder: Path) -> Tokenizer | None:
    """The tokenizer that is named, else the folder's own; None when it has none."""
    if isinstance(tokenizer, Tokenizer):
        return tokenizer
    if tokenizer is not None:
        return Tokenizer.from_folder(find_model(tokenizer))
    return Tokenizer.from_folder(folder) if has_tokenizer_files(folder) else None


def describe_model(
    model: str | os.PathLike[str] | None,
    *,
    tokenizer: Tokenizer | str | os.PathLike[str] | None = None,
    revision: str | None = None,
) -> Described:
    """Reads what is needed to speak for a model that runs elsewhere; raises what ``open_model`` raises."""
    folder = find_model(model, revision=revision)
    config = read_settings(folder).config
    return Described(config=config, tokenizer=find_tokenizer(tokenizer, folder), folder=folder)


def check_room(
    config: ModelConfig, engine: EngineConfig, *, dtype: torch.dtype, device: torch.device, planned: Planned | None
) -> None:
    """Plans what a model will take and says it to ``planned``; raises OverCapacity where there is no room for it."""
    plan = plan_for(config, engine, dtype=dtype, device=device)
    if planned is not None:
        planned(plan)
    plan.require_room()


def open_model(
    model: str | os.PathLike[str] | None,
    *,
    tokenizer: Tokenizer | str | os.PathLike[str] | None,
    revision: str | None,
    device: str | torch.device,
    dtype: str | torch.dtype,
    batch_invariant: bool,
    verify: bool,
    engine: EngineConfig | None = None,
    planned: Planned | None = None,
) -> Opened:
    """Opens a model to run it with an engine of ``engine``'s limits; ``planned`` hears what that will take, first.

    Raises ConfigError, CheckpointError or TokenizerError when that cannot be done, and OverCapacity, before anything is
    loaded, when the device has no room for it.
    """
    chosen = choose_device(device)
    folder = open_folder(find_model(model, revision=revision))
    # The tokenizer first: it takes a moment, and a large model's weights a minute.
    spelled = find_tokenizer(tokenizer, folder.path)
    number = choose_dtype(dtype, chosen) or folder.dtype
    ops = INVARIANT if batch_invariant else best(chosen, number)
    check_room(folder.config, engine or EngineConfig(), dtype=number, device=chosen, planned=planned)
    loaded = load_model(folder, device=chosen, dtype=number, ops=ops, verify=verify)
    ends = {*folder.eos_token_ids, *(spelled.eos_ids if spelled is not None else ())}
    return Opened(
        model=loaded.eval().lay_out(),
        tokenizer=spelled,
        # An id that the model has no logit for cannot come.
        eos_token_ids=frozenset(end for end in ends if end < folder.config.vocab_size),
        folder=folder.path,
    )
