"""The configuration of one training run, and the recipe files that hold it."""

import math
import runpy
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from octavo.config import ModelConfig
from octavo.errors import ConfigError

OptimizerName = Literal["adamw", "muon"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Phase:
    """A stretch of a run, from the share ``begins`` of its steps to the next phase.

    Its texts are cut into pieces of at most ``context`` tokens (None: the model's). ``domain_weights`` are pairs of a
    domain and what its share of the tokens is multiplied by; a domain that is not named has weight 1.
    """

    begins: float = 0.0
    context: int | None = None
    domain_weights: tuple[tuple[str, float], ...] = ()

    def __post_init__(self) -> None:
        if not 0 <= self.begins < 1:
            raise ConfigError(f"a phase begins at {self.begins!r}: want a share of the steps, from 0 to below 1")
        if self.context is not None and (self.context < 1):
            raise ConfigError(f"a phase has context {self.context!r}: want a positive whole number")
        if len({domain for domain, _ in self.domain_weights}) < len(self.domain_weights):
            raise ConfigError(f"domain_weights is {self.domain_weights!r}: want each domain once")
        for domain, weight in self.domain_weights:
            if not 0 < weight < math.inf:
                raise ConfigError(f"the weight of {domain!r} is {weight!r}: want a positive finite number")


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainConfig:
    """Everything that decides what a run computes; where it reads and writes is said when it is started.

    ``tokenizer`` is a folder with a ``tokenizer.json``. ``tokens`` is what the model reads in all, ``batch_tokens``
    what one step reads, in ``accumulate`` equal forwards. A domain's share of the tokens is proportional to its bytes
    to the power ``mix_power`` times its weight in the phase; ``chat_share`` of them are question-and-answer documents
    written as chats.
    ``learning_rate`` is the peak of AdamW; with the optimizer "muon" it holds for embeddings, norms and routers, and
    ``matrix_learning_rate`` for the other matrices. The rate rises over ``warmup`` of the steps and falls linearly to
    ``final_rate`` of the peak over the last ``decay`` of them. Intervals (``*_every``) are in steps.
    """

    model: ModelConfig
    tokenizer: str
    tokens: int
    batch_tokens: int
    accumulate: int = 1
    seed: int = 0
    mix_power: float = 0.5
    phases: tuple[Phase, ...] = (Phase(),)
    chat_share: float = 0.0
    optimizer: OptimizerName = "adamw"
    learning_rate: float = 3e-3
    matrix_learning_rate: float = 5e-3
    betas: tuple[float, float] = (0.9, 0.95)
    eps: float = 1e-8
    momentum: float = 0.95
    weight_decay: float = 0.1
    clip_norm: float = 1.0
    warmup: float = 0.02
    decay: float = 0.98
    final_rate: float = 0.0
    balance_weight: float = 0.01
    z_weight: float = 1e-3
    report_every: int = 10
    validate_every: int = 500
    validation_tokens: int = 65536
    checkpoint_every: int = 500
    keep_checkpoints: int = 2

    def __post_init__(self) -> None:
        positive = ("tokens", "batch_tokens", "accumulate", "report_every", "validate_every", "validation_tokens")
        for name in (*positive, "checkpoint_every", "keep_checkpoints"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
                raise ConfigError(f"{name} is {value!r}: want a positive whole number")
        if self.batch_tokens % self.accumulate:
            raise ConfigError(
                f"batch_tokens {self.batch_tokens} does not divide into accumulate {self.accumulate} equal forwards: "
                "change one of them"
            )
        if self.optimizer not in ("adamw", "muon"):
            raise ConfigError(f"optimizer is {self.optimizer!r}: want 'adamw' or 'muon'")
        for name in ("learning_rate", "matrix_learning_rate", "eps", "clip_norm"):
            if not 0 < getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)!r}: want a positive finite number")
        _check_phases(self.phases, self.model.context_length)
        for name in ("weight_decay", "balance_weight", "z_weight"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name} is {getattr(self, name)!r}: want 0 or a positive finite number")
        for name in ("mix_power", "chat_share", "warmup", "decay", "final_rate", "momentum", "betas"):
            values = getattr(self, name)
            for value in values if isinstance(values, tuple) else (values,):
                if not 0 <= value <= 1:
                    raise ConfigError(f"{name} is {values!r}: want a share, from 0 to 1")

    @property
    def steps(self) -> int:
        """Optimizer steps of the run: the last one may read past ``tokens``."""
        return -(-self.tokens // self.batch_tokens)

    def phase_at(self, step: int) -> int:
        """The index of the phase that the step after ``step`` steps belongs to."""
        return max(i for i, phase in enumerate(self.phases) if step >= round(phase.begins * self.steps))

    @property
    def forward_tokens(self) -> int:
        """Tokens of one forward."""
        return self.batch_tokens // self.accumulate


def _check_phases(phases: tuple[Phase, ...], longest: int) -> None:
    begins = [phase.begins for phase in phases]
    if begins != sorted(set(begins)) or begins[:1] != [0]:
        raise ConfigError(f"the phases begin at {begins}: want 0 first, then each later than the one before")
    for phase in phases:
        if phase.context is not None and phase.context > longest:
            raise ConfigError(
                f"a phase has context {phase.context}, the model's context_length is {longest}: want at most that"
            )


def load_recipe(path: str | Path) -> TrainConfig:
    """Runs a recipe, a Python file whose function ``recipe()`` returns a TrainConfig.

    Raises ConfigError when there is no such file, it fails, or it returns anything else.
    """
    file = Path(path)
    if not file.is_file():
        raise ConfigError(f"{file} is not a file: want a Python recipe, as in recipes/octavo_mini.py")
    try:
        recipe = runpy.run_path(str(file)).get("recipe")
        if not callable(recipe):
            raise ConfigError(f"{file} has no function recipe(): want one that returns a TrainConfig")
        config = recipe()
    except ConfigError:
        raise
    except Exception as error:
        raise ConfigError(f"{file} failed with {type(error).__name__}: {error}; correct the recipe") from error
    if not isinstance(config, TrainConfig):
        raise ConfigError(f"{file}: recipe() returned {type(config).__name__}, want a TrainConfig")
    return config
