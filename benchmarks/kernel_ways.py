"""What benchmarks/kernels.py compares: each kernel of a decoding step, its exact result, and the tiles to try."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import torch
from gpu_timing import Run
from torch.nn import functional

from octavo.batch import Batch, Pages
from octavo.cache import KVCache
from octavo.config import ModelConfig
from octavo.ops import GROUPED, REFERENCE, Norm
from octavo.ops.attention import triton as attention
from octavo.ops.experts import triton as experts
from octavo.ops.linear import triton as linear
from octavo.ops.norm import triton as norms
from octavo.ops.rope.reference import rotation
from octavo.ops.router import triton as router

BF16 = torch.bfloat16
PAGE = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Ways to do one thing: what it must give, what the reference gives in bfloat16, and the bytes it must read."""

    kernel: str
    batch: int
    context: int = 0
    sets: int
    bytes_read: float
    exact: torch.Tensor
    reference: torch.Tensor
    # By tile, or by name where there is none.
    ways: dict[Any, Run]
    # What a step asks for a tile by.
    asked: tuple[object, ...] = ()


def normal(*shape: int, std: float = 1.0, device: torch.device) -> torch.Tensor:
    return torch.empty(*shape, dtype=BF16, device=device).normal_(0, std)


def batch_of(size: int, context: int, device: torch.device) -> Batch:
    """One new token each of ``size`` sequences of ``context`` positions, their pages in random order."""
    width = -(-context // PAGE)
    page_SP = (torch.randperm(size * width, device=device) + 1).view(size, width)
    position_T = torch.full((size,), context - 1, device=device)
    slot_T = page_SP[:, (context - 1) // PAGE] * PAGE + (context - 1) % PAGE
    starts = torch.arange(size + 1, dtype=torch.int32, device=device)
    pages = Pages(slot_T, page_SP, torch.full((size,), context, device=device), context)
    return Batch(torch.randint(0, 64, (size,), device=device), position_T, starts, 1, None, pages)


def products(config: ModelConfig, batch: int, device: torch.device) -> Iterator[Group]:
    heads = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    for name, outputs, normed, added in (
        ("norm and qkv", heads, True, False),
        ("wo and residual", config.dim, False, True),
        ("head", config.vocab_size, False, False),
    ):
        sets = max(2, min(8, (1 << 29) // (outputs * config.dim)))
        weights = [normal(outputs, config.dim, std=0.02, device=device) for _ in range(sets)]
        x_TD, residual = normal(batch, config.dim, device=device), normal(batch, outputs, device=device)
        norm: Norm | None = (normal(config.dim, device=device), 1e-5) if normed else None
        yield Group(
            kernel=name,
            batch=batch,
            sets=sets,
            bytes_read=2.0 * outputs * config.dim,
            exact=_product(x_TD.float(), weights[0].float(), norm, residual.float() if added else None),
            reference=_product(x_TD, weights[0], norm, residual if added else None),
            ways=dict(_product_ways(x_TD, weights, norm, residual if added else None)),
            asked=("product", batch, outputs),
        )


def _product(x: torch.Tensor, weight: torch.Tensor, norm: Norm | None, residual: torch.Tensor | None) -> torch.Tensor:
    if norm is not None:
        x = REFERENCE.norm(x, *norm)
    y = functional.linear(x, weight)
    return y if residual is None else residual + y


def _product_ways(
    x_TD: torch.Tensor, weights: list[torch.Tensor], norm: Norm | None, residual: torch.Tensor | None
) -> Iterator[tuple[Any, Run]]:
    tokens = x_TD.shape[0]
    yield "torch", partial(_by_torch, x_TD, weights, norm, residual)
    for outputs, inputs, warps, stages, parts in PRODUCT_TILES[tokens]:
        rows = 1 if tokens == 1 else max(16, min(tokens, 128))
        tile = linear.Tile(outputs=outputs, inputs=inputs, tokens=rows, warps=warps, stages=stages, parts=parts)
        yield tile, partial(_by_kernel, x_TD, weights, norm, residual, tile)


def _by_torch(x_TD: Any, weights: Any, norm: Any, residual: Any, turn: int) -> torch.Tensor:
    """The norm by our kernel, the product and the sum by one call of cuBLAS."""
    if norm is not None:
        x_TD = norms.norm(x_TD, *norm)
    return functional.linear(x_TD, weights[turn]) if residual is None else torch.addmm(residual, x_TD, weights[turn].mT)


def _by_kernel(x_TD: Any, weights: Any, norm: Any, residual: Any, tile: linear.Tile, turn: int) -> torch.Tensor:
    return linear.linear(x_TD, weights[turn], norm=norm, residual_TO=residual, tile=tile)


# Tokens: outputs, inputs, warps, stages, parts.
PRODUCT_TILES = {
    1: (
        (4, 1024, 4, 3, 1), (2, 4096, 4, 1, 1), (4, 4096, 4, 1, 1), (4, 4096, 8, 1, 1), (8, 4096, 8, 1, 1),
        (2, 4096, 8, 1, 1), (8, 4096, 16, 1, 1), (1, 4096, 4, 1, 1), (2, 2048, 4, 3, 1),
    ),
    8: (
        (64, 128, 4, 4, 1), (64, 128, 4, 4, 2), (64, 128, 4, 4, 4), (64, 256, 4, 3, 2), (64, 256, 4, 3, 4),
        (64, 64, 4, 8, 4), (32, 256, 4, 4, 2), (16, 256, 4, 6, 1), (16, 512, 4, 4, 1), (64, 128, 4, 6, 3),
        (128, 128, 8, 4, 4),
    ),
    64: (
        (64, 128, 4, 4, 1), (64, 128, 4, 4, 2), (64, 128, 4, 3, 4), (64, 64, 4, 6, 2), (64, 64, 4, 6, 4),
        (128, 64, 8, 5, 4), (128, 128, 8, 3, 4), (64, 128, 4, 4, 3), (64, 256, 4, 2, 2),
    ),
    256: ((128, 64, 8, 4, 1), (128, 64, 8, 4, 2), (64, 128, 8, 3, 1), (128, 128, 8, 3, 1)),
}  # fmt: skip


def layers_of_experts(config: ModelConfig, batch: int, weights: list[tuple[Any, Any]]) -> Iterator[Group]:
    device = weights[0][0].device
    dim, wide, total, k = config.dim, config.hidden_dim, config.num_experts, config.num_experts_per_tok
    x_TD, residual_TD = normal(batch, dim, device=device), normal(batch, dim, device=device)
    expert_TK = torch.rand(batch, total, device=device).argsort(dim=-1)[:, :k].contiguous()
    weight_TK = torch.rand(batch, k, device=device)
    touched = expert_TK.unique().numel()
    expert_N, weight_N = expert_TK.flatten(), weight_TK.flatten()
    ups, downs = EXPERT_TILES[batch]
    w13, w2 = weights[0]

    def first(x: torch.Tensor) -> torch.Tensor:
        """The act of each assignment, by the reference's own arithmetic."""
        act_NF = torch.zeros(batch * k, wide, dtype=x.dtype, device=device)
        for expert in expert_TK.unique().tolist():
            n = (expert_N == expert).nonzero()[:, 0]
            gate, up = functional.linear(x[n // k], w13[expert].to(x.dtype)).chunk(2, dim=-1)
            act_NF[n] = (functional.silu(gate) * up * weight_N[n, None]).to(x.dtype)
        return act_NF

    def second(act_NF: torch.Tensor, residual: torch.Tensor) -> torch.Tensor:
        said_ND = torch.zeros(batch * k, dim, dtype=act_NF.dtype, device=device)
        for expert in expert_TK.unique().tolist():
            n = (expert_N == expert).nonzero()[:, 0]
            said_ND[n] = functional.linear(act_NF[n], w2[expert].to(act_NF.dtype))
        return (said_ND.float().view(batch, k, dim).sum(1) + residual.float()).to(act_NF.dtype)

    exact = first(x_TD.float())
    yield Group(
        kernel="experts, up",
        batch=batch,
        sets=len(weights),
        bytes_read=4.0 * touched * dim * wide,
        exact=exact,
        reference=first(x_TD),
        ways={
            tile: lambda turn, tile=tile: experts.up(x_TD, expert_N, weight_N, weights[turn][0], tile=tile)
            for tile in ups
        },
        asked=("up", batch),
    )
    act_NF = exact.to(BF16)
    yield Group(
        kernel="experts, down",
        batch=batch,
        sets=len(weights),
        bytes_read=2.0 * touched * dim * wide,
        exact=second(act_NF.float(), residual_TD),
        reference=second(act_NF, residual_TD),
        ways={
            tile: lambda turn, tile=tile: experts.down(act_NF, expert_TK, weights[turn][1], residual_TD, tile=tile)
            for tile in downs
        },
        asked=("down", batch),
    )
    rounded = GROUPED.experts if device.type == "cuda" else REFERENCE.experts
    yield Group(
        kernel="experts, whole",
        batch=batch,
        sets=len(weights),
        bytes_read=6.0 * touched * dim * wide,
        exact=second(exact, residual_TD),
        reference=second(first(x_TD), residual_TD),
        ways={
            "own": lambda turn: experts.experts(x_TD, expert_TK, weight_TK, *weights[turn], residual_TD=residual_TD),
            "torch grouped": lambda turn: residual_TD + rounded(x_TD, expert_TK, weight_TK, *weights[turn]),
        },
    )


def _tiles(tokens: tuple[int, int], *shapes: tuple[int, int, int, int]) -> list[experts.Tile]:
    return [experts.Tile(outputs=o, inputs=i, tokens=tokens, warps=w, stages=s) for o, i, w, s in shapes]


# Tokens: the tiles of up, and of down, as outputs, inputs, warps, stages.
EXPERT_TILES = {
    1: (
        _tiles((1, 1), (8, 256, 4, 3), (8, 512, 4, 3), (16, 512, 8, 3), (4, 1024, 4, 2), (4, 1024, 4, 3))
        + _tiles((1, 1), (2, 4096, 4, 2), (4, 4096, 8, 2), (8, 1024, 8, 3), (4, 512, 4, 4)),
        _tiles((1, 1), (2, 1024, 4, 4), (2, 1024, 4, 3), (2, 2048, 4, 3), (8, 512, 4, 3), (4, 512, 4, 4))
        + _tiles((1, 1), (4, 512, 4, 5), (4, 1024, 8, 3), (8, 1024, 8, 3)),
    ),
    8: (
        _tiles((16, 16), (32, 128, 4, 4), (64, 128, 4, 3), (64, 128, 4, 4), (64, 256, 4, 2)),
        _tiles((16, 16), (64, 128, 4, 3), (64, 128, 4, 4), (64, 256, 4, 3), (64, 64, 4, 5), (32, 256, 4, 4)),
    ),
    64: (
        _tiles((32, 64), (64, 64, 4, 3))
        + _tiles((16, 32), (64, 64, 4, 3), (64, 64, 4, 5), (64, 128, 4, 2), (64, 128, 4, 3)),
        _tiles((32, 64), (64, 128, 4, 3))
        + _tiles((16, 32), (64, 128, 4, 3), (64, 128, 4, 4), (64, 128, 4, 5), (64, 256, 4, 2)),
    ),
    256: (
        _tiles((64, 128), (64, 64, 4, 3), (64, 64, 8, 3), (64, 64, 8, 4), (128, 64, 8, 4), (128, 64, 8, 5))
        + _tiles((64, 128), (128, 32, 8, 6), (64, 32, 4, 5), (128, 64, 4, 4)),
        _tiles((64, 128), (64, 64, 4, 4), (128, 128, 8, 3), (64, 128, 8, 3), (64, 128, 8, 4), (128, 64, 8, 5))
        + _tiles((64, 128), (64, 64, 4, 5), (64, 64, 8, 5), (128, 64, 4, 4)),
    ),
}


def attentions(config: ModelConfig, batch: int, context: int, device: torch.device) -> Iterator[Group]:
    heads, kv_heads, head_dim = config.num_heads, config.num_kv_heads, config.head_dim
    per_layer = 4.0 * batch * context * kv_heads * head_dim
    sets = int(max(2, min(64, 2.56e8 // per_layer)))
    step = batch_of(batch, context, device)
    cache = KVCache(
        replace(config, num_layers=sets),
        num_pages=batch * -(-context // PAGE) + 1,
        page_size=PAGE,
        dtype=BF16,
        device=device,
    )
    cache.key_LPBGH.normal_()
    cache.value_LPBGH.normal_()
    rope = rotation(step.position_T, head_dim, config.rope_theta)
    heads_TNH = normal(batch, heads + 2 * kv_heads, head_dim, device=device)
    small = KVCache(replace(config, num_layers=1), num_pages=cache.key_LPBGH.shape[1], page_size=PAGE, device=device)
    small.key_LPBGH.copy_(cache.key_LPBGH[:1])
    small.value_LPBGH.copy_(cache.value_LPBGH[:1])
    exact = REFERENCE.attend(heads_TNH.float(), rope, (small, 0), step, None)
    del small
    most = -(-context // 32)
    # So many programs side by side as one, two or four a multiprocessor.
    parts = sorted({1, *(max(1, min(most, share // (batch * kv_heads))) for share in (132, 264, 528, 1056))})
    tiles = [
        attention.Tile(positions=positions, parts=part, warps=warps, stages=stages)
        for part in parts
        for positions, warps, stages in ((64, 4, 3), (64, 2, 3), (64, 2, 4), (128, 4, 2), (32, 2, 4), (32, 1, 4))
    ]
    yield Group(
        kernel="rope, cache write and attention",
        batch=batch,
        context=context,
        sets=sets,
        bytes_read=per_layer,
        exact=exact,
        reference=REFERENCE.attend(heads_TNH, rope, (cache, 0), step, None),
        ways={
            tile: lambda turn, tile=tile: attention.rotate_write_attend(
                heads_TNH, rope, (cache.key_LPBGH[turn], cache.value_LPBGH[turn]), step, None, tile=tile
            )
            for tile in tiles
        },
        asked=("attention", batch * kv_heads, context),
    )


def routers(config: ModelConfig, batch: int, device: torch.device) -> Iterator[Group]:
    x_TD, gate_ED = (
        normal(batch, config.dim, device=device),
        normal(config.num_experts, config.dim, std=0.02, device=device),
    )
    norm = normal(config.dim, device=device), 1e-5
    k = config.num_experts_per_tok
    reference = REFERENCE.route_normed(x_TD, norm, gate_ED, k)[1].logits_TE
    exact = REFERENCE.route_normed(x_TD.float(), (norm[0].float(), 1e-5), gate_ED.float(), k)[1].logits_TE
    yield Group(
        kernel="norm and router",
        batch=batch,
        sets=1,
        bytes_read=2.0 * (config.num_experts + 2 * batch) * config.dim,
        exact=exact,
        reference=reference,
        ways={"own": lambda _: router.norm_router(x_TD, norm, gate_ED, k)[1].logits_TE},
    )
