"""config.json of Hugging Face folders: read as transformers 4 and 5 spell it, and written so that both can read it.

Absent fields take the value that transformers 5 gives them, where it has one that is not the size of some particular
model.
"""

from collections.abc import Mapping
from pathlib import Path

import torch

from octavo.checkpoint.fields import MAX_EXPERTS, MAX_LAYERS, Fields
from octavo.checkpoint.inert import INERT_CONFIG, NEUTRAL_CONFIG
from octavo.checkpoint.json_file import read_object
from octavo.checkpoint.settings import Settings, dtype_name, stored_dtype
from octavo.config import ModelConfig
from octavo.errors import ConfigError

ARCHITECTURES = {"mixtral": "MixtralForCausalLM", "mistral": "MistralForCausalLM"}
# What transformers 5 takes for an absent field; the two families differ.
DEFAULT_THETA = {"mixtral": 1e6, "mistral": 1e4}
DEFAULT_EPS = {"mixtral": 1e-5, "mistral": 1e-6}
DEFAULT_WINDOW = {"mixtral": None, "mistral": 4096}
DEFAULT_KV_HEADS = 8
DEFAULT_CONTEXT = 131072
DEFAULT_BOS, DEFAULT_EOS = 1, (2,)


def read_config_json(path: Path) -> Settings:
    """Reads config.json; every field that changes the arithmetic is honoured or refused.

    Raises ConfigError, naming the file and the field, for values that are missing, of the wrong type, contradictory,
    or beyond this model; unknown fields are warned of once, by name.
    """
    fields = Fields(path, read_object(path, error=ConfigError))
    family = _family(fields)
    config = _build(fields, family)
    fields.require_bounded(config.num_layers, config.num_experts)
    for name, (allowed, why) in NEUTRAL_CONFIG.items():
        fields.require(name, allowed, why)
    bos = fields.token_ids("bos_token_id") if "bos_token_id" in fields.values else (DEFAULT_BOS,)
    eos = fields.token_ids("eos_token_id") if "eos_token_id" in fields.values else DEFAULT_EOS
    settings = Settings(
        file=path,
        native=False,
        config=config,
        dtype=stored_dtype(fields),
        bos_token_id=bos[0] if bos else None,
        eos_token_ids=eos,
    )
    fields.finish(INERT_CONFIG)
    return settings


def config_json(
    config: ModelConfig, dtype: torch.dtype, *, bos_token_id: int | None, eos_token_ids: tuple[int, ...]
) -> Mapping[str, object]:
    """The config.json of a model whose weights are stored in ``dtype``, in the spellings of transformers 4 and 5."""
    family = "mixtral" if config.is_sparse else "mistral"
    experts = {"num_local_experts": config.num_experts, "num_experts_per_tok": config.num_experts_per_tok}
    return {
        "architectures": [ARCHITECTURES[family]],
        "model_type": family,
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        **(experts if config.is_sparse else {}),
        "hidden_act": "silu",
        "max_position_embeddings": config.context_length,
        "rms_norm_eps": config.norm_eps,
        "rope_theta": config.rope_theta,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "sliding_window": config.sliding_window,
        "tie_word_embeddings": config.tie_embeddings,
        "attention_dropout": 0.0,
        "use_cache": True,
        "bos_token_id": bos_token_id,
        "eos_token_id": eos_token_ids[0] if len(eos_token_ids) == 1 else list(eos_token_ids) or None,
        "dtype": dtype_name(dtype),
        "torch_dtype": dtype_name(dtype),
    }


def _family(fields: Fields) -> str:
    family = fields.word("model_type")
    if family not in ARCHITECTURES:
        raise fields.wrong("model_type", "want 'mixtral' or 'mistral', the models that Octavo runs")
    named = fields.take("architectures")
    if named is not None and named != [] and named != [ARCHITECTURES[family]]:
        raise fields.wrong("architectures", f"model_type {family!r} goes with [{ARCHITECTURES[family]!r}]")
    return family


def _build(fields: Fields, family: str) -> ModelConfig:
    heads = fields.integer("num_attention_heads")
    dim = fields.integer("hidden_size")
    num_experts, chosen = _experts(fields, family)
    try:
        return ModelConfig(
            vocab_size=fields.integer("vocab_size"),
            dim=dim,
            num_layers=fields.integer("num_hidden_layers", most=MAX_LAYERS),
            num_heads=heads,
            num_kv_heads=_kv_heads(fields, heads),
            head_dim=_head_dim(fields, dim, heads),
            hidden_dim=fields.integer("intermediate_size"),
            num_experts=num_experts,
            num_experts_per_tok=chosen,
            rope_theta=_theta(fields, family),
            norm_eps=fields.number("rms_norm_eps", default=DEFAULT_EPS[family]),
            sliding_window=_window(fields, family),
            context_length=fields.integer("max_position_embeddings", default=DEFAULT_CONTEXT),
            tie_embeddings=fields.flag("tie_word_embeddings", default=False),
        )
    except ConfigError as reason:
        text = str(reason)
        raise reason if text.startswith(str(fields.path)) else ConfigError(f"{fields.path}: {text}") from reason


def _kv_heads(fields: Fields, heads: int) -> int:
    absent = heads if "num_key_value_heads" in fields.values else DEFAULT_KV_HEADS
    return fields.integer("num_key_value_heads", default=absent)


def _head_dim(fields: Fields, dim: int, heads: int) -> int:
    given = fields.optional_integer("head_dim")
    if given is None and dim % heads:
        raise fields.wrong(
            "head_dim", f"hidden_size {dim} is no multiple of num_attention_heads {heads}, so it must be given"
        )
    return given if given is not None else dim // heads


def _experts(fields: Fields, family: str) -> tuple[int, int]:
    if family == "mistral":
        for name in ("num_local_experts", "num_experts", "num_experts_per_tok"):
            fields.require(name, (0,), "a 'mistral' model has no experts")
        return 0, 0
    spellings = [name for name in ("num_local_experts", "num_experts") if fields.has(name)] or ["num_local_experts"]
    counts = [fields.integer(name, most=MAX_EXPERTS) for name in spellings]
    if len(set(counts)) > 1:
        raise fields.wrong("num_experts", f"it contradicts num_local_experts, which is {counts[0]}")
    return counts[0], fields.integer("num_experts_per_tok", most=MAX_EXPERTS)


def _theta(fields: Fields, family: str) -> float:
    """The one theta that ``rope_theta``, ``rope_parameters`` and ``rope_scaling`` agree on."""
    found = {"rope_theta": fields.number("rope_theta")} if fields.has("rope_theta") else {}
    fields.take("rope_theta")
    for name in ("rope_parameters", "rope_scaling"):
        table = fields.table(name)
        if table is None:
            continue
        for kind in ("rope_type", "type"):
            table.require(kind, ("default",), "rotary positions are not scaled here")
        table.require("partial_rotary_factor", (1, 1.0), "every channel of a head is turned")
        if table.has("rope_theta"):
            found[f"{name}.rope_theta"] = table.number("rope_theta")
        table.take("rope_theta")
        table.refuse_rest("rotary positions are not scaled here, so it must be absent")
    if len(set(found.values())) > 1:
        said = " but ".join(f"{name} is {value!r}" for name, value in found.items())
        raise ConfigError(f"{fields.path}: {said}: want one rotary base in both spellings")
    return next(iter(found.values()), DEFAULT_THETA[family])


def _window(fields: Fields, family: str) -> int | None:
    window = fields.optional_integer("sliding_window")
    if "sliding_window" not in fields.values:
        window = DEFAULT_WINDOW[family]
    kinds = fields.take("layer_types")
    want = "sliding_attention" if window else "full_attention"
    if kinds is not None and (not isinstance(kinds, list) or any(kind != want for kind in kinds)):
        raise fields.wrong("layer_types", f"with sliding_window {window} every layer must be {want!r}")
    fields.require("use_sliding_window", (True,) if window else (True, False), f"sliding_window is {window}")
    fields.require(
        "max_window_layers", () if window else (fields.values.get("max_window_layers"),), "every layer has the window"
    )
    return window
