"""RouterShape: what ids alone do not tell: how many experts there were, and which layers have any.

A model's ``config.json`` says it in one of several ways:

    experts of a layer   num_local_experts (Mixtral, gpt-oss) · num_experts (OLMoE, Qwen) · n_routed_experts (DeepSeek)
    dense layers         the first first_k_dense_replace (DeepSeek) · mlp_only_layers, and all but every
                         decoder_sparse_step-th (Qwen)
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from octavo.errors import TraceError

EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")
MAX_CONFIG_BYTES = 4 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RouterShape:
    """Experts of a layer, how many of them read a token, the numbers of the MoE layers, and all hidden layers.

    ``num_hidden_layers`` is None where nobody said how many layers there are in all.
    """

    num_experts: int
    k: int
    layers: tuple[int, ...]
    num_hidden_layers: int | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.k <= self.num_experts:
            raise TraceError(f"{self.k} experts a token out of {self.num_experts}: want from 1 to all of them")
        if not self.layers or sorted(set(self.layers)) != list(self.layers) or self.layers[0] < 0:
            raise TraceError(f"MoE layers are {list(self.layers)}: want their numbers, rising, each once")
        if self.num_hidden_layers is not None and self.layers[-1] >= self.num_hidden_layers:
            raise TraceError(
                f"MoE layer {self.layers[-1]} of a model with {self.num_hidden_layers} layers, counted from 0: "
                "check the layers"
            )

    @classmethod
    def from_config(cls, path: Path) -> "RouterShape":
        """Reads the shape of a Hugging Face ``config.json``, or of the folder that holds one; TraceError names it."""
        file = path / "config.json" if path.is_dir() else path
        try:
            if file.stat().st_size > MAX_CONFIG_BYTES:
                raise TraceError(f"{file} is longer than {MAX_CONFIG_BYTES:,} bytes: want a model's config.json")
            read = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError, RecursionError) as error:
            raise TraceError(f"{file} cannot be read ({error}): want a model's config.json") from None
        if not isinstance(read, dict):
            raise TraceError(f"{file} holds a {type(read).__name__}: want a model's config.json")
        try:
            return _shape_of(read.get("text_config", read), file)
        except TraceError as error:
            raise TraceError(f"{file}: {error}") from None


def _shape_of(config: Mapping[str, object], file: Path) -> RouterShape:
    experts = next((name for name in EXPERTS if config.get(name) is not None), None)
    if experts is None:
        raise TraceError(f"no field of {', '.join(EXPERTS)}: the model has no experts to route to")
    layers = _count(config, "num_hidden_layers")
    return RouterShape(
        num_experts=_count(config, experts),
        k=_count(config, "num_experts_per_tok"),
        layers=tuple(each for each in range(layers) if _is_sparse(config, each)),
        num_hidden_layers=layers,
    )


def _is_sparse(config: Mapping[str, object], layer: int) -> bool:
    dense = config.get("mlp_only_layers") or ()
    step = _count(config, "decoder_sparse_step", default=1)
    listed = isinstance(dense, list | tuple) and layer in dense
    return layer >= _count(config, "first_k_dense_replace", default=0) and not listed and (layer + 1) % step == 0


def _count(config: Mapping[str, object], name: str, *, default: int | None = None) -> int:
    value = config.get(name)
    if value is None and default is not None:
        return default
    least = 0 if default == 0 else 1
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= 65536:
        raise TraceError(f"{name} is {value!r}: want a whole number from {least} to 65,536")
    return value
