"""Opens the model that a server was told to serve, or one of random weights in its shape."""

from dataclasses import dataclass
from pathlib import Path

import torch

from octavo.api.opening import (
    Planned,
    check_room,
    choose_device,
    choose_dtype,
    find_model,
    find_tokenizer,
    open_model,
)
from octavo.checkpoint import read_settings
from octavo.checkpoint.load import empty_model
from octavo.config import PRESETS, ModelConfig
from octavo.engine.config import EngineConfig
from octavo.model import Transformer
from octavo.ops import INVARIANT, best
from octavo.server.settings import ModelSettings
from octavo.tokenizer import Tokenizer


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A model that can run, its tokenizer where there is one, and the ids that end its texts."""

    model: Transformer
    tokenizer: Tokenizer | None
    eos_token_ids: frozenset[int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Where a model was found, None for a preset's name, and its shape."""

    folder: Path | None
    config: ModelConfig


def find(settings: ModelSettings) -> Found:
    """Finds what is to be served, by path, Hub id or, for dummy weights, a preset's name; downloads what is not here.

    Raises CheckpointError or ConfigError for what is no model.
    """
    if settings.load_format == "dummy" and settings.name in PRESETS and not Path(settings.name).exists():
        return Found(folder=None, config=PRESETS[settings.name]())
    folder = find_model(settings.name, revision=settings.revision)
    return Found(folder=folder, config=read_settings(folder).config)


def find_own_tokenizer(settings: ModelSettings, found: Found) -> Tokenizer | None:
    """The tokenizer that is named, else the model's own; None where there is none. Raises TokenizerError."""
    if found.folder is not None:
        return find_tokenizer(settings.tokenizer, found.folder)
    return None if settings.tokenizer is None else Tokenizer.from_folder(find_model(settings.tokenizer))


def load(settings: ModelSettings, engine: EngineConfig | None = None, planned: Planned | None = None) -> Loaded:
    """Opens the model for an engine of ``engine``'s limits; ``planned`` hears what that will take, first.

    Raises ConfigError, CheckpointError or TokenizerError when that cannot be done, and OverCapacity where there is no
    room for it.
    """
    engine = engine or EngineConfig()
    if settings.load_format == "dummy":
        return _dummy(settings, engine, planned)
    opened = open_model(
        settings.name,
        tokenizer=settings.tokenizer,
        revision=settings.revision,
        device=settings.device,
        dtype=settings.dtype,
        batch_invariant=settings.batch_invariant,
        verify=settings.verify,
        engine=engine,
        planned=planned,
    )
    return Loaded(model=opened.model, tokenizer=opened.tokenizer, eos_token_ids=opened.eos_token_ids)


def _dummy(settings: ModelSettings, engine: EngineConfig, planned: Planned | None) -> Loaded:
    device = choose_device(settings.device)
    dtype = choose_dtype(settings.dtype, device) or torch.bfloat16
    found = find(settings)
    tokenizer = find_own_tokenizer(settings, found)
    ops = INVARIANT if settings.batch_invariant else best(device, dtype)
    check_room(found.config, engine, dtype=dtype, device=device, planned=planned)
    model = empty_model(found.config, device=device, dtype=dtype, ops=ops).init_weights(seed=0)
    ends = tokenizer.eos_ids if tokenizer is not None else frozenset[int]()
    return Loaded(
        model=model.eval().lay_out(),
        tokenizer=tokenizer,
        eos_token_ids=frozenset(end for end in ends if end < found.config.vocab_size),
    )
