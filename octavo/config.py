"""The shape of a model: every number that changes its arithmetic, and the presets of the published models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from octavo.errors import ConfigError


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelConfig:
    """A Mixtral (``num_experts`` > 0) or a Mistral (``num_experts`` = 0, one dense feed-forward a layer).

    Lengths are in elements. ``hidden_dim`` is the width of one expert's (or of the dense) feed-forward.
    ``sliding_window`` is the number of positions a token sees, itself included; None sees all.
    ``context_length`` is the number of positions the model was made for.
    """

    vocab_size: int
    dim: int
    num_layers: int
    num_heads: int
    num_kv_heads: int
    head_dim: int
    hidden_dim: int
    num_experts: int = 0
    num_experts_per_tok: int = 0
    rope_theta: float = 1e6
    norm_eps: float = 1e-5
    sliding_window: int | None = None
    context_length: int = 32768
    tie_embeddings: bool = False

    def __post_init__(self) -> None:
        for name in (
            "vocab_size",
            "dim",
            "num_layers",
            "num_heads",
            "num_kv_heads",
            "head_dim",
            "hidden_dim",
            "context_length",
        ):
            _require_positive(name, getattr(self, name))
        if self.num_heads % self.num_kv_heads:
            raise ConfigError(
                f"num_heads {self.num_heads} is not a multiple of num_kv_heads {self.num_kv_heads}: want one, since "
                "every key/value head serves the same number of query heads"
            )
        if self.head_dim % 2:
            raise ConfigError(f"head_dim {self.head_dim} is odd: RoPE turns pairs, so it must be even")
        if self.num_experts < 0:
            raise ConfigError(f"num_experts is {self.num_experts}: want 0 for a dense model or a positive number")
        if self.num_experts == 0 and self.num_experts_per_tok != 0:
            raise ConfigError(
                f"num_experts_per_tok is {self.num_experts_per_tok} in a model without experts: "
                "set it to 0, or set num_experts"
            )
        if self.num_experts and not 1 <= self.num_experts_per_tok <= self.num_experts:
            raise ConfigError(
                f"num_experts_per_tok is {self.num_experts_per_tok}: want 1 to num_experts, which is {self.num_experts}"
            )
        if self.sliding_window is not None:
            _require_positive("sliding_window", self.sliding_window)
        for name in ("rope_theta", "norm_eps"):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ConfigError(f"{name} is {value!r}: want a positive finite number")

    @property
    def is_sparse(self) -> bool:
        """Whether the feed-forward of every layer is a mixture of experts."""
        return self.num_experts > 0


def _require_positive(name: str, value: object) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or value <= 0:
        raise ConfigError(f"{name} is {value!r}: want a positive whole number")


def mixtral_8x7b() -> ModelConfig:
    """Mixtral 8x7B (arXiv 2401.04088, table 1): no sliding window, theta 1e6."""
    return ModelConfig(
        vocab_size=32000,
        dim=4096,
        num_layers=32,
        num_heads=32,
        num_kv_heads=8,
        head_dim=128,
        hidden_dim=14336,
        num_experts=8,
        num_experts_per_tok=2,
    )


def mixtral_8x22b(*, vocab_size: int = 32000) -> ModelConfig:
    """Mixtral 8x22B; the base model has 32,000 tokens, the instruct model of version 3 has 32,768."""
    return ModelConfig(
        vocab_size=vocab_size,
        dim=6144,
        num_layers=56,
        num_heads=48,
        num_kv_heads=8,
        head_dim=128,
        hidden_dim=16384,
        num_experts=8,
        num_experts_per_tok=2,
        context_length=65536,
    )


def mistral_7b(*, version: str = "v0.1") -> ModelConfig:
    """Mistral 7B (arXiv 2310.06825, table 1), ``version`` v0.1, v0.2 or v0.3.

    Raises ConfigError for another version.
    """
    if version not in ("v0.1", "v0.2", "v0.3"):
        raise ConfigError(f"Mistral 7B version {version!r} is not known: want v0.1, v0.2 or v0.3")
    first = version == "v0.1"
    return ModelConfig(
        vocab_size=32768 if version == "v0.3" else 32000,
        dim=4096,
        num_layers=32,
        num_heads=32,
        num_kv_heads=8,
        head_dim=128,
        hidden_dim=14336,
        rope_theta=1e4 if first else 1e6,
        sliding_window=4096 if first else None,
        # v0.1 was made for 8k; its published files say 32768, the length up to which RoPE positions are defined.
        context_length=32768,
    )


def mini(*, num_experts: int = 8) -> ModelConfig:
    """The shape of the embedded octavo-mini; with ``num_experts`` 0, its dense twin of equal active parameters."""
    sparse = num_experts > 0
    return ModelConfig(
        vocab_size=8192,
        dim=256,
        num_layers=8,
        num_heads=4,
        num_kv_heads=2,
        head_dim=64,
        hidden_dim=240 if sparse else 480,
        num_experts=num_experts,
        num_experts_per_tok=2 if sparse else 0,
        rope_theta=1e4,
        context_length=2048,
        tie_embeddings=True,
    )


# The published models by the names that they go by.
PRESETS: Mapping[str, Callable[[], ModelConfig]] = {
    "mixtral-8x7b": mixtral_8x7b,
    "mixtral-8x22b": mixtral_8x22b,
    "mixtral-8x22b-v0.3": lambda: mixtral_8x22b(vocab_size=32768),
    "mistral-7b-v0.1": lambda: mistral_7b(version="v0.1"),
    "mistral-7b-v0.2": lambda: mistral_7b(version="v0.2"),
    "mistral-7b-v0.3": lambda: mistral_7b(version="v0.3"),
}
