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
class TrainConfig:
    """Everything that decides what a run computes; where it reads and writes is said when it is started.

    ``tokenizer`` is a folder with a ``tokenizer.json``. ``tokens`` is what the model reads in all, ``batch_tokens``
    what one step reads, in ``accumulate`` equal forwards. A domain's share of the tokens is proportional to its bytes
    to the power ``mix_power`` times its weight in ``domain_weights`` (pairs of a name and a number; a domain that is
    not named has weight 1); ``chat_share`` of them are question-and-answer documents written as chats.
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
    domain_weights: tuple[tuple[str, float], ...] = ()
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
        _check_weights(self.domain_weights)
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

    @property
    def forward_tokens(self) -> int:
        """Tokens of one forward."""
        return self.batch_tokens // self.accumulate


def _check_weights(weights: tuple[tuple[str, float], ...]) -> None:
    if len({domain for domain, _ in weights}) < len(weights):
        raise ConfigError(f"domain_weights is {weights!r}: want each domain once")
    for domain, weight in weights:
        if not 0 < weight < math.inf:
            raise ConfigError(f"the weight of {domain!r} is {weight!r}: want a positive finite number")


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
