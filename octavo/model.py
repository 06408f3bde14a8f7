"""The model as the papers write it: Mistral 7B (arXiv 2310.06825) and, with experts, Mixtral (arXiv 2401.04088).

Tokens are flat: T rows of any number of sequences, without padding. Letters: T tokens, D width, F expert width,
E experts, K chosen, Q query heads, G key/value heads, H head width, V vocabulary, L layers.
"""

from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.config import ModelConfig
from octavo.ops import REFERENCE, Ops
from octavo.ops.rope.reference import rotation
from octavo.routing import Routing


@dataclass(frozen=True, slots=True)
class Output:
    """Logits of the R wanted rows, and one Routing a layer (none in a dense model)."""

    logits_RV: Float[Tensor, "R V"]
    routings: tuple[Routing, ...]


Rotation = tuple[Float[Tensor, "T H"], Float[Tensor, "T H"]]


class Linear(nn.Module):
    """y = x Wᵀ, without bias."""

    def __init__(self, inputs: int, outputs: int, ops: Ops) -> None:
        super().__init__()
        self.weight: Any = nn.Parameter(torch.empty(outputs, inputs))
        self.ops = ops

    def forward(self, x_TI: Float[Tensor, "T I"]) -> Float[Tensor, "T O"]:
        return self.ops.linear(x_TI, self.weight)

    def of(self, norm: "RMSNorm", x_TI: Float[Tensor, "T I"]) -> Float[Tensor, "T O"]:
        """y = norm(x) Wᵀ."""
        return self.ops.map_normed(x_TI, (norm.weight, norm.eps), self.weight)

    def onto(self, residual_TO: Float[Tensor, "T O"], x_TI: Float[Tensor, "T I"]) -> Float[Tensor, "T O"]:
        """y = residual + x Wᵀ."""
        return self.ops.add_mapped(x_TI, self.weight, residual_TO)

    def lay_out(self) -> None:
        """Lays the weight out for the ops; it is no parameter any more."""
        laid_out = self.ops.lay_out(self.weight.detach())
        del self.weight
        self.weight = laid_out


class Embedding(nn.Module):
    """x = the token's row of the V × D table."""

    def __init__(self, num_rows: int, dim: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(num_rows, dim))

    def forward(self, token_T: Int[Tensor, "T"]) -> Float[Tensor, "T D"]:
        return nn.functional.embedding(token_T, self.weight)


class RMSNorm(nn.Module):
    """y = x / sqrt(mean(x²) + eps) · weight, in float32."""

    def __init__(self, config: ModelConfig, ops: Ops) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.dim))
        self.eps = config.norm_eps
        self.ops = ops

    def forward(self, x_TD: Float[Tensor, "T D"]) -> Float[Tensor, "T D"]:
        return self.ops.norm(x_TD, self.weight, self.eps)


class Attention(nn.Module):
    """y = x + softmax(rope(q) rope(k)ᵀ / sqrt(H)) v · W_o;  q, k, v = norm(x) · W_qkv, G of k and v for Q of q."""

    def __init__(self, config: ModelConfig, layer: int, ops: Ops) -> None:
        super().__init__()
        self.num_heads, self.num_kv_heads = config.num_heads, config.num_kv_heads
        self.head_dim = config.head_dim
        self.window = config.sliding_window
        self.layer = layer
        self.ops = ops
        self.wqkv = Linear(config.dim, (config.num_heads + 2 * config.num_kv_heads) * config.head_dim, ops)
        self.wo = Linear(config.num_heads * config.head_dim, config.dim, ops)

    def forward(
        self, x_TD: Float[Tensor, "T D"], norm: RMSNorm, rope: Rotation, batch: Batch, cache: KVCache | None
    ) -> Float[Tensor, "T D"]:
        heads_TNH = self.wqkv.of(norm, x_TD).unflatten(-1, (-1, self.head_dim))
        if cache is None or batch.pages is None:
            turned_TNH, value_TGH = heads_TNH.split((self.num_heads + self.num_kv_heads, self.num_kv_heads), dim=1)
            query_TQH, key_TGH = self.ops.rotate(turned_TNH, *rope).split((self.num_heads, self.num_kv_heads), dim=1)
            said_TQH = self.ops.packed_attention(query_TQH, key_TGH, value_TGH, batch, self.window)
        else:
            said_TQH = self.ops.attend(heads_TNH, rope, (cache, self.layer), batch, self.window)
        y_TD: Tensor = self.wo.onto(x_TD, said_TQH.flatten(1))
        return y_TD


class Router(nn.Module):
    """x' = norm(x);  G(x') = Softmax(TopK(x' · W_g)): the K experts that read each token, and what each contributes."""

    def __init__(self, config: ModelConfig, ops: Ops) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(config.num_experts, config.dim))
        self.num_experts_per_tok = config.num_experts_per_tok
        self.ops = ops

    def forward(self, x_TD: Float[Tensor, "T D"], norm: RMSNorm) -> tuple[Float[Tensor, "T D"], Routing]:
        return self.ops.route_normed(x_TD, (norm.weight, norm.eps), self.weight, self.num_experts_per_tok)


class FeedForward(nn.Module):
    """x' = norm(x);  y = x + w2(silu(w1 x') · w3 x'); w13 holds the rows of w1 and then those of w3."""

    def __init__(self, config: ModelConfig, ops: Ops) -> None:
        super().__init__()
        self.w13 = Linear(config.dim, 2 * config.hidden_dim, ops)
        self.w2 = Linear(config.hidden_dim, config.dim, ops)
        self.ops = ops

    def forward(self, x_TD: Float[Tensor, "T D"], norm: RMSNorm) -> tuple[Float[Tensor, "T D"], tuple[Routing, ...]]:
        return self.w2.onto(x_TD, self.ops.swiglu(self.w13.of(norm, x_TD))), ()


class SparseMoE(nn.Module):
    """y = x + Σ_i G(x')_i · SwiGLU_i(x');  x' = norm(x): a router, and E experts of which K read each token."""

    def __init__(self, config: ModelConfig, ops: Ops) -> None:
        super().__init__()
        shape = (config.num_experts, config.hidden_dim, config.dim)
        self.gate = Router(config, ops)
        self.w13: Any = nn.Parameter(torch.empty(shape[0], 2 * shape[1], shape[2]))
        self.w2: Any = nn.Parameter(torch.empty(shape[0], shape[2], shape[1]))
        self.ops = ops

    def forward(self, x_TD: Float[Tensor, "T D"], norm: RMSNorm) -> tuple[Float[Tensor, "T D"], tuple[Routing, ...]]:
        normed_TD, routing = self.gate(x_TD, norm)
        routed = routing.expert_TK, routing.weight_TK
        return self.ops.add_experts(normed_TD, routed, self.w13, self.w2, x_TD), (routing,)

    def lay_out(self) -> None:
        """Lays the experts' weights out for the ops; they are no parameters any more."""
        laid_out = self.ops.lay_out_experts(self.w13.detach(), self.w2.detach())
        del self.w13, self.w2
        self.w13, self.w2 = laid_out


class Block(nn.Module):
    """h = x + attend(norm(x));  y = h + read(norm(h)): each half norms and adds itself, so a kernel may do it all."""

    def __init__(self, config: ModelConfig, layer: int, ops: Ops) -> None:
        super().__init__()
        self.attention_norm = RMSNorm(config, ops)
        self.attention = Attention(config, layer, ops)
        self.ffn_norm = RMSNorm(config, ops)
        self.feed_forward = SparseMoE(config, ops) if config.is_sparse else FeedForward(config, ops)

    def forward(
        self, x_TD: Float[Tensor, "T D"], rope: Rotation, batch: Batch, cache: KVCache | None
    ) -> tuple[Float[Tensor, "T D"], tuple[Routing, ...]]:
        h_TD = self.attention(x_TD, self.attention_norm, rope, batch, cache)
        y_TD, routings = self.feed_forward(h_TD, self.ffn_norm)
        return y_TD, routings


class Transformer(nn.Module):
    """logits = W_out · norm(block_L(... block_1(embedding(token))))."""

    def __init__(self, config: ModelConfig, ops: Ops = REFERENCE) -> None:
        super().__init__()
        self.config = config
        self.tok_embeddings = Embedding(config.vocab_size, config.dim)
        self.layers = nn.ModuleList(Block(config, layer, ops) for layer in range(config.num_layers))
        self.norm = RMSNorm(config, ops)
        self.output = None if config.tie_embeddings else Linear(config.dim, config.vocab_size, ops)
        self.ops = ops

    def forward(self, batch: Batch, cache: KVCache | None = None) -> Output:
        """Reads the batch's tokens and gives the logits of its wanted rows; writes keys and values into ``cache``."""
        x_TD, routings = self.trunk(batch, cache)
        x_RD = x_TD if batch.logit_row_R is None else x_TD[batch.logit_row_R]
        return Output(self.ops.linear(x_RD, self.head_VD), routings)

    @property
    def head_VD(self) -> Any:
        """The output matrix as the ops read it; the embeddings themselves when they are tied."""
        return self.tok_embeddings.weight if self.output is None else self.output.weight

    def trunk(
        self, batch: Batch, cache: KVCache | None = None, rope: Rotation | None = None
    ) -> tuple[Float[Tensor, "T D"], tuple[Routing, ...]]:
        """Everything below the output matrix: the final norm's rows, and one Routing a layer.

        ``rope`` is the rotation of the batch's positions, when the caller has it already.
        Raises ValueError when the batch has pages and no cache is given, or the reverse.
        """
        if (cache is None) != (batch.pages is None):
            raise ValueError("a batch with pages needs a cache to keep them in, and a cache needs a batch with pages")
        if rope is None:
            rope = rotation(batch.position_T, self.config.head_dim, self.config.rope_theta)
        x_TD = self.tok_embeddings(batch.token_T)
        routings: tuple[Routing, ...] = ()
        for block in self.layers:
            x_TD, routing = block(x_TD, rope, batch, cache)
            routings += routing
        return self.norm(x_TD), routings

    def lay_out(self) -> "Transformer":
        """Lays every matrix out as the ops read it fastest, and returns the model, which can then only be run."""
        if self.output is None:
            with torch.device("meta"):
                self.output = Linear(self.config.dim, self.config.vocab_size, self.ops)
            self.output.weight = self.tok_embeddings.weight
        for module in self.modules():
            if isinstance(module, Linear | SparseMoE):
                module.lay_out()
        return self

    @torch.no_grad()
    def init_weights(self, *, seed: int = 0, std: float = 0.02) -> "Transformer":
        """Fills every matrix with N(0, std²) from ``seed`` and every norm with ones, and returns the model."""
        device = self.norm.weight.device
        generator = torch.Generator(device).manual_seed(seed)
        for parameter in self.parameters():
            if parameter.ndim == 1:
                parameter.fill_(1.0)
            else:
                parameter.normal_(0.0, std, generator=generator)
        return self
