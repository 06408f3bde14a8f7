"""Where a model's parameters, bytes and operations are: exact counts by part, from its shape alone.

Counted per token: 2 FLOP for each multiply-add of a matrix; norms, softmaxes and rotations are too small to matter
and count 0.
"""

from dataclasses import dataclass, replace

from octavo.config import ModelConfig

BYTES_OF = {"float32": 4, "float16": 2, "bfloat16": 2}
"""Bytes of one element, by dtype name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One part of a model, over all its layers.

    ``total`` counts its parameters and ``active`` those that one token meets: K of E experts, and all of everything
    else, embeddings included (a token looks up one row, but the count follows the papers). ``read`` counts the
    parameters that decoding one token really reads: one row of the embedding, no more. ``flop`` is per token.
    """

    name: str
    total: int
    active: int
    read: int
    flop: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """The parts of a model, and their sums."""

    parts: tuple[Part, ...]

    @property
    def total(self) -> int:
        """All parameters; a tied output matrix is counted once, as the embedding."""
        return sum(part.total for part in self.parts)

    @property
    def active(self) -> int:
        """The parameters that one token meets."""
        return sum(part.active for part in self.parts)

    @property
    def read(self) -> int:
        """The parameters that decoding one token reads; times an element's bytes, the least traffic of a step."""
        return sum(part.read for part in self.parts)

    @property
    def flop(self) -> int:
        """Operations of one token, without those that grow with its context; attention_flop counts those."""
        return sum(part.flop for part in self.parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """The bytes that a model needs in one dtype: its weights, the cache of one token, and of all asked for."""

    dtype: str
    weights: int
    cache_per_token: int
    cache: int


def count(config: ModelConfig) -> Count:
    """Counts a model by part: embeddings, attention, router, experts (or feed_forward), norms, head.

    One expert is three matrices of D · F; attention is D · H · (Q + 2 G) for q, k and v, and as much as q again for o.
    """
    layers, dim = config.num_layers, config.dim
    embedding = config.vocab_size * dim
    attention = layers * dim * config.head_dim * 2 * (config.num_heads + config.num_kv_heads)
    norms = (2 * layers + 1) * dim
    parts = [
        Part(name="embeddings", total=embedding, active=embedding, read=dim, flop=0),
        _matrices("attention", attention),
    ]
    expert = 3 * dim * config.hidden_dim
    if config.is_sparse:
        parts.append(_matrices("router", layers * dim * config.num_experts))
        used = layers * config.num_experts_per_tok * expert
        all_of_them = layers * config.num_experts * expert
        parts.append(Part(name="experts", total=all_of_them, active=used, read=used, flop=2 * used))
    else:
        parts.append(_matrices("feed_forward", layers * expert))
    parts.append(Part(name="norms", total=norms, active=norms, read=norms, flop=0))
    own = 0 if config.tie_embeddings else embedding
    parts.append(Part(name="head", total=own, active=own, read=embedding, flop=2 * embedding))
    return Count(parts=tuple(parts))


def attention_flop(config: ModelConfig, context: int) -> int:
    """Operations by which a token attends to ``context`` positions, itself included: 4 · Q · H each, a layer."""
    seen = min(context, config.sliding_window or context)
    return 4 * config.num_layers * config.num_heads * config.head_dim * seen


def memory(config: ModelConfig, dtype: str, *, context: int = 0, sequences: int = 1) -> Memory:
    """The bytes that weights, and the cache of ``sequences`` of ``context`` tokens each, take in ``dtype``.

    One token's keys and values are 2 · L · G · H elements; a sliding window bounds what a sequence keeps. Raises
    KeyError for a dtype that is not in BYTES_OF.
    """
    width = BYTES_OF[dtype]
    per_token = 2 * config.num_layers * config.num_kv_heads * config.head_dim * width
    kept = min(context, config.sliding_window or context)
    return Memory(
        dtype=dtype,
        weights=count(config).total * width,
        cache_per_token=per_token,
        cache=per_token * kept * sequences,
    )


def experts_read(config: ModelConfig, tokens: int) -> float:
    """How many experts of a layer ``tokens`` independent tokens read, on average: E · (1 - (1 - K/E)^tokens)."""
    if not config.is_sparse:
        return 1.0
    chance = config.num_experts_per_tok / config.num_experts
    return config.num_experts * (1 - (1 - chance) ** tokens)


def dense_of_equal_active(config: ModelConfig) -> ModelConfig:
    """The dense model that computes as much a token: one feed-forward as wide as the K experts that a token reads."""
    return _dense(config, config.num_experts_per_tok)


def dense_of_equal_total(config: ModelConfig) -> ModelConfig:
    """The dense model that holds as much: one feed-forward as wide as all E experts together."""
    return _dense(config, config.num_experts)


def _dense(config: ModelConfig, experts: int) -> ModelConfig:
    if not config.is_sparse:
        return config
    return replace(config, hidden_dim=experts * config.hidden_dim, num_experts=0, num_experts_per_tok=0)


def _matrices(name: str, size: int) -> Part:
    return Part(name=name, total=size, active=size, read=size, flop=2 * size)
