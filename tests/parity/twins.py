"""Pairs of one model in two implementations, transformers' and ours, with the same random weights."""

from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import MistralConfig, MistralForCausalLM, MixtralConfig, MixtralForCausalLM

from octavo.batch import Batch, Pages
from octavo.cache import KVCache
from octavo.config import ModelConfig
from octavo.model import Output, Transformer
from octavo.routing import Routing

_SMALL = {"vocab_size": 257, "dim": 64, "num_layers": 3, "num_heads": 4, "num_kv_heads": 4, "head_dim": 16}
_SPARSE = {"hidden_dim": 96, "num_experts": 8, "num_experts_per_tok": 2, "context_length": 512}

CONFIGS = {
    "mixtral": ModelConfig(**_SMALL, **_SPARSE),
    "grouped query heads": ModelConfig(**{**_SMALL, "num_heads": 8, "num_kv_heads": 2}, **_SPARSE),
    "one key value head": ModelConfig(**{**_SMALL, "num_heads": 6, "num_kv_heads": 1}, **_SPARSE),
    "wide heads": ModelConfig(**{**_SMALL, "head_dim": 40}, **_SPARSE),
    "window": ModelConfig(**_SMALL, **_SPARSE, sliding_window=13),
    "window of one page and theta 1e4": ModelConfig(**_SMALL, **_SPARSE, sliding_window=16, rope_theta=1e4),
    "top 1 of 4": ModelConfig(**_SMALL, **{**_SPARSE, "num_experts": 4, "num_experts_per_tok": 1}),
    "top 4 of 16": ModelConfig(**_SMALL, **{**_SPARSE, "num_experts": 16, "num_experts_per_tok": 4}),
    "top 4 of 4": ModelConfig(**_SMALL, **{**_SPARSE, "num_experts": 4, "num_experts_per_tok": 4}),
    "top 2 of 16 and theta 1e4": ModelConfig(**_SMALL, **{**_SPARSE, "num_experts": 16}, rope_theta=1e4),
    "tied": ModelConfig(**_SMALL, **_SPARSE, tie_embeddings=True),
    "odd vocabulary and tied": ModelConfig(**{**_SMALL, "vocab_size": 331}, **_SPARSE, tie_embeddings=True),
    "large epsilon": ModelConfig(**_SMALL, **_SPARSE, norm_eps=1e-3),
    "dense with window": ModelConfig(**_SMALL, hidden_dim=96, context_length=512, sliding_window=13, rope_theta=1e4),
    "dense, grouped query heads": ModelConfig(
        **{**_SMALL, "num_heads": 8, "num_kv_heads": 2}, hidden_dim=130, context_length=512
    ),
}


@dataclass(frozen=True, slots=True)
class Twins:
    """One model twice; ``theirs`` is transformers', ``ours`` has the same weights."""

    theirs: MixtralForCausalLM | MistralForCausalLM
    ours: Transformer


def make_twins(config: ModelConfig, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Twins:
    """Builds both from ``config`` with weights drawn in float32 from ``seed`` and then cast to ``dtype``."""
    theirs = _transformers_model(config)
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in theirs.parameters():
            mean = 1.0 if parameter.ndim == 1 else 0.0
            parameter.normal_(mean, 0.08, generator=generator)
    theirs = theirs.to(dtype).eval()
    ours = Transformer(config).to(dtype).eval()
    ours.load_state_dict(_our_names(theirs.state_dict(), config))
    return Twins(theirs, ours)


def whole(token_T: Tensor) -> Batch:
    """One sequence, whole, without a cache."""
    length = token_T.shape[0]
    return Batch(token_T, torch.arange(length), torch.tensor([0, length], dtype=torch.int32), length)


class PagedSequence:
    """One sequence read piece by piece through a paged cache whose pages lie in no order."""

    def __init__(self, model: Transformer, *, max_length: int, page_size: int = 16) -> None:
        num_pages = -(-max_length // page_size)
        dtype = next(model.parameters()).dtype
        self._model = model
        self._page_p = torch.randperm(num_pages, generator=torch.Generator().manual_seed(1)) + 1
        self._cache = KVCache(model.config, num_pages=num_pages + 1, page_size=page_size, dtype=dtype)
        self._length = 0

    def read(self, token_n: Tensor) -> Output:
        """Reads the next tokens and gives the logits and routings of each of them."""
        start, end = self._length, self._length + token_n.shape[0]
        position_n = torch.arange(start, end)
        page_size = self._cache.page_size
        slot_n = self._page_p[position_n // page_size] * page_size + position_n % page_size
        pages = Pages(slot_n, self._page_p[None], torch.tensor([end], dtype=torch.int32), end)
        starts = torch.tensor([0, end - start], dtype=torch.int32)
        self._length = end
        return self._model(Batch(token_n, position_n, starts, end - start, None, pages), self._cache)


def joined(outputs: list[Output]) -> tuple[Tensor, list[Tensor]]:
    """Logits of all pieces, and the chosen experts of all pieces layer by layer."""
    layers = zip(*(output.routings for output in outputs), strict=True)
    return torch.cat([o.logits_RV for o in outputs]), [torch.cat([r.expert_TK for r in layer]) for layer in layers]


def is_clear(routing: Routing, margin: float = 1e-5) -> Tensor:
    """Whether each token's K chosen logits and the best one left out differ by more than ``margin``, [T] booleans."""
    k = routing.expert_TK.shape[1]
    gap_Tk = -routing.logits_TE.sort(dim=-1, descending=True).values[:, : k + 1].diff(dim=-1)
    return (gap_Tk > margin).all(dim=-1)


def _transformers_model(config: ModelConfig) -> MixtralForCausalLM | MistralForCausalLM:
    common = {
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "rms_norm_eps": config.norm_eps,
        "rope_parameters": {"rope_type": "default", "rope_theta": config.rope_theta},
        "sliding_window": config.sliding_window,
        "max_position_embeddings": config.context_length,
        "tie_word_embeddings": config.tie_embeddings,
        "bos_token_id": None,
        "eos_token_id": None,
        "pad_token_id": None,
    }
    if not config.is_sparse:
        return MistralForCausalLM(MistralConfig(**common))
    experts = {"num_local_experts": config.num_experts, "num_experts_per_tok": config.num_experts_per_tok}
    return MixtralForCausalLM(MixtralConfig(**common, **experts))


def _our_names(theirs: dict[str, Tensor], config: ModelConfig) -> dict[str, Tensor]:
    ours = {"tok_embeddings.weight": theirs["model.embed_tokens.weight"], "norm.weight": theirs["model.norm.weight"]}
    if not config.tie_embeddings:
        ours["output.weight"] = theirs["lm_head.weight"]
    for layer in range(config.num_layers):
        a, b = f"model.layers.{layer}", f"layers.{layer}"
        ours[f"{b}.attention_norm.weight"] = theirs[f"{a}.input_layernorm.weight"]
        ours[f"{b}.ffn_norm.weight"] = theirs[f"{a}.post_attention_layernorm.weight"]
        ours[f"{b}.attention.wqkv.weight"] = torch.cat([theirs[f"{a}.self_attn.{x}_proj.weight"] for x in "qkv"])
        ours[f"{b}.attention.wo.weight"] = theirs[f"{a}.self_attn.o_proj.weight"]
        if config.is_sparse:
            ours[f"{b}.feed_forward.gate.weight"] = theirs[f"{a}.mlp.gate.weight"]
            ours[f"{b}.feed_forward.w13"] = theirs[f"{a}.mlp.experts.gate_up_proj"]
            ours[f"{b}.feed_forward.w2"] = theirs[f"{a}.mlp.experts.down_proj"]
        else:
            gate_up = [theirs[f"{a}.mlp.{x}_proj.weight"] for x in ("gate", "up")]
            ours[f"{b}.feed_forward.w13.weight"] = torch.cat(gate_up)
            ours[f"{b}.feed_forward.w2.weight"] = theirs[f"{a}.mlp.down_proj.weight"]
    return ours
