"""What is measured: a model of some shape on a device, of random weights made there or of a folder's own."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from octavo.api.opening import check_room, choose_device, choose_dtype, find_model, open_model
from octavo.bench.figures import SHORT_NAMES
from octavo.bench.roofline import Widths
from octavo.bench.shapes import MINI, find_shape
from octavo.checkpoint import read_settings
from octavo.checkpoint.load import empty_model
from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.errors import ConfigError
from octavo.model import Transformer
from octavo.ops import Ops, best
from octavo.ops.linear.half import HalfWeight


@dataclass(frozen=True, slots=True, kw_only=True)
class Plea:
    """What is to be measured, as a caller names it; ``dtype`` "auto" is bfloat16 on a GPU and float32 on a CPU."""

    shape: str
    random_weights: bool
    device: str = "auto"
    dtype: str = "auto"
    seed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """What is measured, before it is in memory: its shape, where it will run, in which type, by which operations."""

    plea: Plea
    config: ModelConfig
    device: torch.device
    dtype: torch.dtype
    ops: Ops

    @property
    def name(self) -> str:
        """What figures call the shape."""
        return Path(self.plea.shape).name or self.plea.shape

    @property
    def weights(self) -> str:
        """What figures call the dtype."""
        return SHORT_NAMES[self.dtype_name]

    @property
    def dtype_name(self) -> str:
        """The dtype, as plans and rooflines call it."""
        return str(self.dtype).removeprefix("torch.")


def find_subject(plea: Plea) -> Subject:
    """Finds what is named; raises ConfigError and CheckpointError for what cannot be measured."""
    config = find_shape(plea.shape)
    device = choose_device(plea.device)
    chosen = choose_dtype(plea.dtype, device)
    if not plea.random_weights and chosen is None:
        chosen = read_settings(_folder(plea.shape)).dtype
    if not plea.random_weights:
        _folder(plea.shape)
    dtype = chosen or torch.bfloat16
    return Subject(plea=plea, config=config, device=device, dtype=dtype, ops=best(device, dtype))


def make_model(subject: Subject, limits: EngineConfig) -> Transformer:
    """The model, ready to run with an engine of ``limits``; raises OverCapacity where there is no room for both."""
    plea = subject.plea
    if plea.random_weights:
        check_room(subject.config, limits, dtype=subject.dtype, device=subject.device, planned=None)
        made = empty_model(subject.config, device=subject.device, dtype=subject.dtype, ops=subject.ops)
        return made.init_weights(seed=plea.seed).eval().lay_out()
    return open_model(
        _folder(plea.shape),
        tokenizer=None,
        revision=None,
        device=subject.device,
        dtype=subject.dtype,
        batch_invariant=False,
        verify=False,
        engine=limits,
    ).model


def widths_of(model: Transformer, subject: Subject) -> Widths:
    """Bytes of an element as the operations read it: a CPU may keep float32 in half as many."""
    block: Any = model.layers[0]
    kept = block.attention.wo.weight
    whole = Widths.of(subject.dtype_name)
    return replace(whole, weights=2) if isinstance(kept, HalfWeight) else whole


def _folder(shape: str) -> Path:
    if Path(shape).is_dir():
        return Path(shape)
    if shape in MINI:
        return find_model("octavo-mini")
    raise ConfigError(f"{shape} is a shape without weights here: add --random-weights, or name a folder that has them")
