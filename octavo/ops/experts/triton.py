"""The experts for few tokens, paced by their weights: each chosen expert's come out of memory once; nothing is sorted.

    up:    act_n = weight_n · silu(w1_e x) · w3_e x         for each assignment n = t·K + i of token t to e, its i-th
    down:  y_t   = residual_t + Σ_i w2_e act_(t·K + i)      in rank order, in float32

A program of ``up`` owns some rows of one chosen expert's w1 and w3 and looks itself up who chose it. A program of
``down`` owns some outputs of one chosen expert, and the last of those that share the outputs adds up, always in the
same order; of one token it owns some outputs of all K.
"""

from dataclasses import dataclass
from functools import cache

import torch
import triton
from jaxtyping import Float, Int
from torch import Tensor

from octavo.ops.experts import few_down, few_up
from octavo.ops.launch import options, power_of_two


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile:
    """What one program reads at a time: ``outputs`` rows of the weights, ``inputs`` columns, ``stages`` of it ahead.

    ``tokens`` are the rows it multiplies at once for an expert of few tokens and for one of many; with (1, 1) it
    multiplies without the matrix units, one token only.
    """

    outputs: int
    inputs: int
    tokens: tuple[int, int]
    warps: int
    stages: int


def tiles_for(num_tokens: int) -> tuple[Tile, Tile]:
    """The tiles of up and down that were fastest on an H200 at Mixtral's shape (docs/log.md)."""
    if num_tokens == 1:
        up = Tile(outputs=4, inputs=4096, tokens=(1, 1), warps=8, stages=2)
        return up, Tile(outputs=2, inputs=1024, tokens=(1, 1), warps=4, stages=3)
    if num_tokens <= 16:
        up = Tile(outputs=64, inputs=128, tokens=(16, 16), warps=4, stages=3)
        return up, up
    if num_tokens <= 64:
        up = Tile(outputs=64, inputs=64, tokens=(16, 32), warps=4, stages=5)
        return up, Tile(outputs=64, inputs=128, tokens=(16, 32), warps=4, stages=4)
    up = Tile(outputs=64, inputs=64, tokens=(64, 128), warps=4, stages=3)
    return up, Tile(outputs=128, inputs=128, tokens=(64, 128), warps=8, stages=3)


def experts(
    x_TD: Float[Tensor, "T D"],
    expert_TK: Int[Tensor, "T K"],
    weight_TK: Float[Tensor, "T K"],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
    *,
    residual_TD: Float[Tensor, "T D"] | None = None,
    tiles: tuple[Tile, Tile] | None = None,
) -> Float[Tensor, "T D"]:
    """Lets each token be read by its K chosen experts, none of them twice, and sums what they say in rank order.

    Sums are float32; what passes between the two products has the type of ``x_TD``. ``residual_TD`` is added before the
    sum is rounded. Raises ValueError when the weights' rows are not dense.
    """
    if w13_EID.stride(-1) != 1 or w2_EDF.stride(-1) != 1:
        raise ValueError(
            f"rows must be dense: w13 has strides {w13_EID.stride()}, w2 {w2_EDF.stride()}; call contiguous()"
        )
    up_tile, down_tile = tiles or tiles_for(x_TD.shape[0])
    expert_N, weight_N = expert_TK.flatten(), weight_TK.flatten()
    act_NF = up(x_TD.contiguous(), expert_N, weight_N, w13_EID, tile=up_tile)
    return down(act_NF, expert_TK, w2_EDF, residual_TD, tile=down_tile)


def experts_add(
    x_TD: Float[Tensor, "T D"],
    routed: tuple[Int[Tensor, "T K"], Float[Tensor, "T K"]],
    w13_EID: Float[Tensor, "E I D"],
    w2_EDF: Float[Tensor, "E D F"],
    residual_TD: Float[Tensor, "T D"],
) -> Float[Tensor, "T D"]:
    """Adds what the experts say to the residual in float32, so that the sum is rounded once."""
    return experts(x_TD, *routed, w13_EID, w2_EDF, residual_TD=residual_TD)


def up(
    x_TD: Float[Tensor, "T D"],
    expert_N: Int[Tensor, "N"],
    weight_N: Float[Tensor, "N"],
    w13_EID: Float[Tensor, "E I D"],
    *,
    tile: Tile,
) -> Float[Tensor, "N F"]:
    """What each assignment's expert makes of its token between its two products, times the assignment's weight."""
    num_tokens, dim = x_TD.shape
    num_experts, features = w13_EID.shape[0], w13_EID.shape[1] // 2
    num = expert_N.shape[0]
    act_NF = torch.empty(num, features, dtype=x_TD.dtype, device=x_TD.device)
    if not num:
        return act_NF
    shared = {"num_warps": tile.warps, "STAGES": tile.stages, **options(x_TD.device)}
    blocks = triton.cdiv(features, tile.outputs)
    sizes = {"DIM": dim, "BLOCK_F": tile.outputs, "BLOCK_D": min(tile.inputs, power_of_two(dim, 16))}
    if tile.tokens == (1, 1) and num_tokens == 1:
        few_up.up_one[(blocks, num)](
            x_TD, expert_N, weight_N, w13_EID, act_NF, features, *w13_EID.stride()[:2], **sizes, **shared
        )
        return act_NF
    list_EN = torch.empty(num_experts, num, dtype=torch.int32, device=x_TD.device)
    few_up.up[(blocks * min(num_experts, num),)](
        x_TD,
        expert_N,
        weight_N,
        w13_EID,
        act_NF,
        list_EN,
        num,
        num_experts,
        features,
        *w13_EID.stride()[:2],
        K=num // num_tokens,
        FEW=max(tile.tokens[0], 16),
        MANY=max(tile.tokens[1], 16),
        # Few sizes, since each is a kernel of its own.
        BLOCK_N=power_of_two(num, 32),
        BLOCK_E=power_of_two(num_experts),
        **sizes,
        **shared,
    )
    return act_NF


def down(
    act_NF: Float[Tensor, "N F"],
    expert_TK: Int[Tensor, "T K"],
    w2_EDF: Float[Tensor, "E D F"],
    residual_TD: Float[Tensor, "T D"] | None,
    *,
    tile: Tile,
) -> Float[Tensor, "T D"]:
    """Each token's residual and what its K experts say, by their second product, in rank order."""
    (num_tokens, k), (num_experts, dim, features) = expert_TK.shape, w2_EDF.shape
    expert_N = expert_TK.flatten()
    num = num_tokens * k
    y_TD = torch.empty(num_tokens, dim, dtype=act_NF.dtype, device=act_NF.device)
    if not num_tokens:
        return y_TD
    residual = y_TD if residual_TD is None else residual_TD.contiguous()
    shared = {"num_warps": tile.warps, "STAGES": tile.stages, **options(act_NF.device)}
    blocks = triton.cdiv(dim, tile.outputs)
    sizes = {
        "FEATURES": features,
        "K": k,
        "ADD": residual_TD is not None,
        "BLOCK_D": tile.outputs,
        "BLOCK_F": min(tile.inputs, power_of_two(features, 16)),
    }
    strides = (dim, *w2_EDF.stride()[:2])
    if tile.tokens == (1, 1) and num_tokens == 1:
        few_down.down_one[(blocks,)](act_NF, expert_N, w2_EDF, residual, y_TD, *strides, **sizes, **shared)
        return y_TD
    said_ND = torch.empty(num, dim, dtype=torch.float32, device=act_NF.device)
    list_EN = torch.empty(num_experts, num, dtype=torch.int32, device=act_NF.device)
    few_down.down[(blocks * min(num_experts, num),)](
        act_NF,
        expert_N,
        w2_EDF,
        residual,
        y_TD,
        said_ND,
        list_EN,
        _counters(act_NF.device, blocks),
        num,
        num_experts,
        *strides,
        FEW=max(tile.tokens[0], 16),
        MANY=max(tile.tokens[1], 16),
        # Few sizes, since each is a kernel of its own.
        BLOCK_N=power_of_two(num, 32),
        BLOCK_E=power_of_two(num_experts),
        **sizes,
        **shared,
    )
    return y_TD


@cache
def _counters(device: torch.device, count: int) -> Tensor:
    """Counters that are 0 before and after every kernel, which must run one after another."""
    return torch.zeros(count, dtype=torch.int32, device=device)
