"""params.json of the publisher's own folders: read, and written."""

from collections.abc import Mapping
from pathlib import Path

from octavo.checkpoint.fields import MAX_EXPERTS, MAX_LAYERS, Fields
from octavo.checkpoint.inert import INERT_PARAMS, NEUTRAL_MOE, NEUTRAL_PARAMS
from octavo.checkpoint.json_file import read_object
from octavo.checkpoint.settings import Settings, stored_dtype
from octavo.config import ModelConfig
from octavo.errors import ConfigError

# The publisher's inference code: a model with a sliding window is of the first generation, whose rotary base was
# 10,000.
THETA_WITH_WINDOW, THETA_WITHOUT = 1e4, 1e6
DEFAULT_CONTEXT = 32768


def read_params_json(path: Path) -> Settings:
    """Reads params.json; every field that changes the arithmetic is honoured or refused.

    ``rope_theta`` may be absent, as in the first releases: it is then 10,000 for a model with a sliding window and
    1,000,000 for one without, as in the publisher's code. Raises ConfigError as read_config_json does.
    """
    fields = Fields(path, read_object(path, error=ConfigError))
    for name, (allowed, why) in NEUTRAL_PARAMS.items():
        fields.require(name, allowed, why)
    try:
        config = _build(fields)
        fields.require_bounded(config.num_layers, config.num_experts)
    except ConfigError as reason:
        text = str(reason)
        raise reason if text.startswith(str(path)) else ConfigError(f"{path}: {text}") from reason
    dtype = stored_dtype(fields)
    fields.finish(INERT_PARAMS)
    return Settings(file=path, native=True, config=config, dtype=dtype, bos_token_id=None, eos_token_ids=())


def params_json(config: ModelConfig) -> Mapping[str, object]:
    """The params.json of a model."""
    moe = {"num_experts": config.num_experts, "num_experts_per_tok": config.num_experts_per_tok}
    return {
        "dim": config.dim,
        "n_layers": config.num_layers,
        "head_dim": config.head_dim,
        "hidden_dim": config.hidden_dim,
        "n_heads": config.num_heads,
        "n_kv_heads": config.num_kv_heads,
        "norm_eps": config.norm_eps,
        "vocab_size": config.vocab_size,
        "rope_theta": config.rope_theta,
        "max_seq_len": config.context_length,
        **({"sliding_window": config.sliding_window} if config.sliding_window else {}),
        **({"tied_embeddings": True} if config.tie_embeddings else {}),
        **({"moe": moe} if config.is_sparse else {}),
    }


def _build(fields: Fields) -> ModelConfig:
    heads = fields.integer("n_heads")
    dim = fields.integer("dim")
    head_dim = fields.optional_integer("head_dim")
    if head_dim is None and dim % heads:
        raise fields.wrong("head_dim", f"dim {dim} is no multiple of n_heads {heads}, so it must be given")
    window = _window(fields)
    num_experts, chosen = _experts(fields)
    return ModelConfig(
        vocab_size=fields.integer("vocab_size"),
        dim=dim,
        num_layers=fields.integer("n_layers", most=MAX_LAYERS),
        num_heads=heads,
        num_kv_heads=fields.integer("n_kv_heads", default=heads),
        head_dim=head_dim or dim // heads,
        hidden_dim=fields.integer("hidden_dim"),
        num_experts=num_experts,
        num_experts_per_tok=chosen,
        rope_theta=fields.number("rope_theta", default=THETA_WITH_WINDOW if window else THETA_WITHOUT),
        norm_eps=fields.number("norm_eps"),
        sliding_window=window,
        context_length=_agreed(fields, "max_seq_len", "max_position_embeddings") or DEFAULT_CONTEXT,
        tie_embeddings=fields.flag("tied_embeddings", default=False),
    )


def _window(fields: Fields) -> int | None:
    if any(isinstance(fields.values.get(name), list) for name in ("sliding_window", "_sliding_window")):
        raise fields.wrong("sliding_window", "windows that differ from layer to layer are not run")
    return _agreed(fields, "sliding_window", "_sliding_window")


def _agreed(fields: Fields, first: str, second: str) -> int | None:
    values = [value for value in map(fields.optional_integer, (first, second)) if value is not None]
    if len(set(values)) > 1:
        raise fields.wrong(second, f"it contradicts {first}, which is {values[0]}")
    return values[0] if values else None


def _experts(fields: Fields) -> tuple[int, int]:
    moe = fields.table("moe")
    flat = [name for name in ("num_experts", "num_experts_per_tok") if fields.has(name)]
    if moe is None:
        if flat or fields.values.get("moe") == {}:
            raise fields.wrong("moe", "experts are told by its num_experts and num_experts_per_tok")
        return 0, 0
    found = {name: moe.integer(name, most=MAX_EXPERTS) for name in ("num_experts", "num_experts_per_tok")}
    for name in flat:
        if fields.integer(name) != found[name]:
            raise fields.wrong(name, f"it contradicts moe.{name}, which is {found[name]}")
    for name, (allowed, why) in NEUTRAL_MOE.items():
        moe.require(name, allowed, why)
    moe.refuse_rest("a field of moe that is not known cannot be honoured")
    return found["num_experts"], found["num_experts_per_tok"]
