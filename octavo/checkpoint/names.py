"""One table for all dialects: which rows of which stored tensor hold which weight matrix, and in what order.

Every dialect stores the same matrices, here called atoms and named once: ``layers.3.q``, ``layers.3.experts.5.w1``. A
stored tensor, seen as rows of its last dimension, is a run of one or more atoms. Reading, writing and converting are
then one thing: give both sides the same view of an atom, and copy. The model's own parameters are one more column of
the table.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import Enum, StrEnum

from torch import Tensor

from octavo.config import ModelConfig


class Dialect(StrEnum):
    """How a folder names and lays out its tensors.

    NATIVE_STACKED is the first release of Mixtral (all experts of a layer in one matrix, w2 transposed); NATIVE the
    publisher's later folders; HF what the Hub holds and transformers writes; HF_STACKED the in-memory layout of
    transformers 5.
    """

    NATIVE_STACKED = "native-stacked"
    NATIVE = "native"
    HF = "hf"
    HF_STACKED = "hf-stacked"

    @property
    def is_native(self) -> bool:
        """Whether its settings are in params.json and its files are called consolidated."""
        return self in (Dialect.NATIVE, Dialect.NATIVE_STACKED)


class Order(Enum):
    """How the rows of an atom lie in a stored tensor.

    HALVES and NEIGHBOURS are the two row orders of rotary q and k: channel i of a head is turned with channel i +
    H/2, which lies H/2 rows further (HALVES, Hugging Face and our own) or in the next row (NEIGHBOURS, native).
    """

    ROWS = "rows"
    HALVES = "halves"
    NEIGHBOURS = "neighbours"
    TRANSPOSED = "transposed"


@dataclass(frozen=True, slots=True)
class Part:
    """The rows ``start`` to ``stop`` of a stored tensor, which hold ``atom`` in ``order``."""

    atom: str
    start: int
    stop: int
    order: Order


@dataclass(frozen=True, slots=True)
class Stored:
    """One tensor of a folder (or one parameter of the model): its name, its shape, and the atoms that it is made of."""

    name: str
    shape: tuple[int, ...]
    parts: tuple[Part, ...]


Piece = tuple[str, int, Order]


def stored_tensors(config: ModelConfig, dialect: Dialect) -> tuple[Stored, ...]:
    """Every tensor that a folder of ``dialect`` holds for ``config``, in the order in which it is written."""
    layer = _native_layer if dialect.is_native else _hf_layer
    top = _NATIVE_TOP if dialect.is_native else _HF_TOP
    return _table(config, top, lambda index: layer(config, dialect, index))


def parameters(config: ModelConfig) -> tuple[Stored, ...]:
    """Every parameter of Transformer(config), as one more column of the table; a tied output matrix appears once."""
    return _table(config, _NATIVE_TOP, lambda index: _own_layer(config, index))


def head_name(dialect: Dialect) -> str:
    """The name of the output matrix, which a model with tied embeddings may store a second time."""
    return (_NATIVE_TOP if dialect.is_native else _HF_TOP)["head"]


def embedding_name(dialect: Dialect) -> str:
    """The name of the embedding matrix."""
    return (_NATIVE_TOP if dialect.is_native else _HF_TOP)["embedding"]


def atom_view(tensor: Tensor, part: Part, head_dim: int) -> Tensor:
    """The atom that ``part`` of a stored tensor holds, as a view: equal shape and order whatever the dialect.

    A q or k atom is seen as [heads, 2, H/2, D], any other as its matrix [rows, columns] (a norm as one row).
    """
    rows = tensor.reshape(-1, tensor.shape[-1])[part.start : part.stop]
    match part.order:
        case Order.ROWS:
            return rows
        case Order.HALVES:
            return rows.view(-1, 2, head_dim // 2, rows.shape[1])
        case Order.NEIGHBOURS:
            return rows.view(-1, head_dim // 2, 2, rows.shape[1]).transpose(1, 2)
        case Order.TRANSPOSED:
            return rows.T


_NATIVE_TOP = {"embedding": "tok_embeddings.weight", "norm": "norm.weight", "head": "output.weight"}
_HF_TOP = {"embedding": "model.embed_tokens.weight", "norm": "model.norm.weight", "head": "lm_head.weight"}


def _table(config: ModelConfig, top: dict[str, str], layer: Callable[[int], Iterator[Stored]]) -> tuple[Stored, ...]:
    def stored() -> Iterator[Stored]:
        yield _stored(top["embedding"], (config.vocab_size, config.dim), ("embedding", config.vocab_size, Order.ROWS))
        for index in range(config.num_layers):
            yield from layer(index)
        yield _stored(top["norm"], (config.dim,), ("norm", 1, Order.ROWS))
        if not config.tie_embeddings:
            yield _stored(top["head"], (config.vocab_size, config.dim), ("head", config.vocab_size, Order.ROWS))

    return tuple(stored())


def _stored(name: str, shape: tuple[int, ...], *pieces: Piece) -> Stored:
    parts = []
    start = 0
    for atom, rows, order in pieces:
        parts.append(Part(atom, start, start + rows, order))
        start += rows
    assert start == math.prod(shape[:-1]), f"the atoms of {name} do not fill it"
    return Stored(name, shape, tuple(parts))


def _attention(config: ModelConfig, index: int, order: Order) -> dict[str, Piece]:
    query, kv = config.num_heads * config.head_dim, config.num_kv_heads * config.head_dim
    return {
        "q": (f"layers.{index}.q", query, order),
        "k": (f"layers.{index}.k", kv, order),
        "v": (f"layers.{index}.v", kv, Order.ROWS),
        "o": (f"layers.{index}.o", config.dim, Order.ROWS),
    }


def _matrix(name: str, piece: Piece, columns: int) -> Stored:
    return _stored(name, (piece[1], columns), piece)


def _norm(name: str, atom: str, config: ModelConfig) -> Stored:
    return _stored(name, (config.dim,), (atom, 1, Order.ROWS))


def _experts(config: ModelConfig, index: int) -> list[dict[str, Piece]]:
    """For each expert (one, when the model is dense) its three matrices: w1 and w3 [F, D], w2 [D, F]."""
    return [
        {
            "w1": (f"layers.{index}.experts.{expert}.w1", config.hidden_dim, Order.ROWS),
            "w2": (f"layers.{index}.experts.{expert}.w2", config.dim, Order.ROWS),
            "w3": (f"layers.{index}.experts.{expert}.w3", config.hidden_dim, Order.ROWS),
        }
        for expert in range(max(config.num_experts, 1))
    ]


def _one_by_one(config: ModelConfig, index: int, names: str, words: dict[str, str]) -> Iterator[Stored]:
    for expert, matrices in enumerate(_experts(config, index)):
        for word, piece in matrices.items():
            columns = config.hidden_dim if word == "w2" else config.dim
            yield _matrix(names.format(expert=expert, word=words.get(word, word)), piece, columns)


def _gate(name: str, config: ModelConfig, index: int) -> Stored:
    return _matrix(name, (f"layers.{index}.gate", config.num_experts, Order.ROWS), config.dim)


def _native_layer(config: ModelConfig, dialect: Dialect, index: int) -> Iterator[Stored]:
    at = f"layers.{index}"
    attention = _attention(config, index, Order.NEIGHBOURS)
    yield _norm(f"{at}.attention_norm.weight", f"{at}.attention_norm", config)
    for letter in "qkv":
        yield _matrix(f"{at}.attention.w{letter}.weight", attention[letter], config.dim)
    yield _matrix(f"{at}.attention.wo.weight", attention["o"], config.num_heads * config.head_dim)
    yield _norm(f"{at}.ffn_norm.weight", f"{at}.ffn_norm", config)
    if not config.is_sparse:
        yield from _one_by_one(config, index, f"{at}.feed_forward.{{word}}.weight", {})
    elif dialect is Dialect.NATIVE:
        yield _gate(f"{at}.feed_forward.gate.weight", config, index)
        yield from _one_by_one(config, index, f"{at}.feed_forward.experts.{{expert}}.{{word}}.weight", {})
    else:
        yield _gate(f"{at}.block_sparse_moe.gate.weight", config, index)
        width = config.hidden_dim
        for word in ("w1", "w2", "w3"):
            order = Order.TRANSPOSED if word == "w2" else Order.ROWS
            pieces = [(matrices[word][0], width, order) for matrices in _experts(config, index)]
            yield _stored(f"{at}.block_sparse_moe.{word}", (config.num_experts * width, config.dim), *pieces)


def _hf_layer(config: ModelConfig, dialect: Dialect, index: int) -> Iterator[Stored]:
    at, atom = f"model.layers.{index}", f"layers.{index}"
    attention = _attention(config, index, Order.HALVES)
    yield _norm(f"{at}.input_layernorm.weight", f"{atom}.attention_norm", config)
    for letter in "qkv":
        yield _matrix(f"{at}.self_attn.{letter}_proj.weight", attention[letter], config.dim)
    yield _matrix(f"{at}.self_attn.o_proj.weight", attention["o"], config.num_heads * config.head_dim)
    yield _norm(f"{at}.post_attention_layernorm.weight", f"{atom}.ffn_norm", config)
    if not config.is_sparse:
        words = {"w1": "gate_proj", "w2": "down_proj", "w3": "up_proj"}
        yield from _one_by_one(config, index, f"{at}.mlp.{{word}}.weight", words)
    elif dialect is Dialect.HF:
        yield _gate(f"{at}.block_sparse_moe.gate.weight", config, index)
        yield from _one_by_one(config, index, f"{at}.block_sparse_moe.experts.{{expert}}.{{word}}.weight", {})
    else:
        yield _gate(f"{at}.mlp.gate.weight", config, index)
        yield from _stacked(config, index, f"{at}.mlp.experts.gate_up_proj", f"{at}.mlp.experts.down_proj")


def _own_layer(config: ModelConfig, index: int) -> Iterator[Stored]:
    at = f"layers.{index}"
    attention = _attention(config, index, Order.HALVES)
    rows = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    yield _norm(f"{at}.attention_norm.weight", f"{at}.attention_norm", config)
    yield _stored(f"{at}.attention.wqkv.weight", (rows, config.dim), attention["q"], attention["k"], attention["v"])
    yield _matrix(f"{at}.attention.wo.weight", attention["o"], config.num_heads * config.head_dim)
    yield _norm(f"{at}.ffn_norm.weight", f"{at}.ffn_norm", config)
    if config.is_sparse:
        yield _gate(f"{at}.feed_forward.gate.weight", config, index)
        yield from _stacked(config, index, f"{at}.feed_forward.w13", f"{at}.feed_forward.w2")
    else:
        (dense,) = _experts(config, index)
        width = 2 * config.hidden_dim
        yield _stored(f"{at}.feed_forward.w13.weight", (width, config.dim), dense["w1"], dense["w3"])
        yield _matrix(f"{at}.feed_forward.w2.weight", dense["w2"], config.hidden_dim)


def _stacked(config: ModelConfig, index: int, up: str, down: str) -> Iterator[Stored]:
    """All experts in two tensors: [E, 2F, D], w1 rows and then w3 rows of each, and [E, D, F]."""
    experts = _experts(config, index)
    pieces = [matrices[word] for matrices in experts for word in ("w1", "w3")]
    yield _stored(up, (config.num_experts, 2 * config.hidden_dim, config.dim), *pieces)
    pieces = [matrices["w2"] for matrices in experts]
    yield _stored(down, (config.num_experts, config.dim, config.hidden_dim), *pieces)
