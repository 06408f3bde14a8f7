"""The router on a GPU, with the norm before it: one program a token, from the residual to its experts and weights.

    x' = norm(x);  logits = x' · W_g in float32;  K times the largest that is left, lowest id first;  softmax over them

The program asks for the gate before it waits for x. It writes the choice where the caller wants it, so that a layer of
a captured step writes straight into the telemetry's [L, T, K].
"""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from jaxtyping import Float
from torch import Tensor

from octavo.ops.launch import narrow, options, power_of_two, wait
from octavo.routing import Routing


def router(
    x_TD: Float[Tensor, "T D"], gate_ED: Float[Tensor, "E D"], k: int, *, into: Routing | None = None
) -> Routing:
    """Routes T tokens, normalised already, to ``k`` of E experts each; a row that is NaN goes to the last expert.

    ``into`` is written and returned when it is given. Raises ValueError when rows are not dense or ``into`` does not
    fit.
    """
    routing = into or _empty(x_TD, gate_ED.shape[0], k)
    _launch(x_TD, None, gate_ED, routing, None)
    return routing


def norm_router(
    x_TD: Float[Tensor, "T D"],
    norm: tuple[Float[Tensor, "D"], float],
    gate_ED: Float[Tensor, "E D"],
    k: int,
    *,
    into: Routing | None = None,
) -> tuple[Float[Tensor, "T D"], Routing]:
    """Normalises T tokens by a norm's weight and eps and routes them: the normalised rows, and the routing.

    ``into`` is written and returned when it is given. Raises ValueError when rows are not dense or ``into`` does not
    fit.
    """
    normed_TD = torch.empty(x_TD.shape, dtype=x_TD.dtype, device=x_TD.device)
    routing = into or _empty(x_TD, gate_ED.shape[0], k)
    _launch(x_TD, norm, gate_ED, routing, normed_TD)
    return normed_TD, routing


def _empty(x_TD: Tensor, num_experts: int, k: int) -> Routing:
    """A routing that is to be written."""
    tokens, device = x_TD.shape[0], x_TD.device
    return Routing(
        torch.empty(tokens, num_experts, dtype=torch.float32, device=device),
        torch.empty(tokens, k, dtype=torch.int64, device=device),
        torch.empty(tokens, k, dtype=torch.float32, device=device),
    )


def _launch(
    x_TD: Tensor, norm: tuple[Tensor, float] | None, gate_ED: Tensor, routing: Routing, normed_TD: Tensor | None
) -> None:
    (num_tokens, dim), num_experts, k = x_TD.shape, gate_ED.shape[0], routing.expert_TK.shape[1]
    written = routing.logits_TE, routing.expert_TK, routing.weight_TK
    wanted = (num_tokens, num_experts), (num_tokens, k), (num_tokens, k)
    if x_TD.stride(-1) != 1 or not gate_ED.is_contiguous() or not all(each.is_contiguous() for each in written):
        raise ValueError("the router reads and writes dense rows: call contiguous() on x, the gate and into")
    if tuple(tuple(each.shape) for each in written) != wanted:
        found = ", ".join(str(tuple(each.shape)) for each in written)
        raise ValueError(f"into has shapes {found}: want {wanted}, for logits, experts and weights")
    if not num_tokens:
        return
    norm_weight_D, eps = norm or (gate_ED, 0.0)
    _route[(num_tokens,)](
        x_TD,
        norm_weight_D,
        gate_ED,
        x_TD if normed_TD is None else normed_TD,
        *written,
        x_TD.stride(0),
        eps,
        NUM_EXPERTS=num_experts,
        DIM=dim,
        K=k,
        NORM=norm is not None,
        BLOCK_E=power_of_two(num_experts),
        BLOCK_D=power_of_two(dim),
        BLOCK_K=power_of_two(k),
        num_warps=8,
        **options(x_TD.device),
    )


@triton.jit
@no_type_check
def _route(
    x_ptr,
    norm_ptr,
    gate_ptr,
    normed_ptr,
    logits_ptr,
    expert_ptr,
    weight_ptr,
    x_stride,
    eps,
    NUM_EXPERTS: tl.constexpr,
    DIM: tl.constexpr,
    K: tl.constexpr,
    NORM: tl.constexpr,
    BLOCK_E: tl.constexpr,
    BLOCK_D: tl.constexpr,
    BLOCK_K: tl.constexpr,
    OVERLAP: tl.constexpr,
    INTERPRETED: tl.constexpr,
):
    token = tl.program_id(0).to(tl.int64)
    id_E = tl.arange(0, BLOCK_E)
    column_D = tl.arange(0, BLOCK_D)
    slot_K = tl.arange(0, BLOCK_K)
    kept_D = column_D < DIM
    kept_E = id_E < NUM_EXPERTS
    place_ED = id_E[:, None] * DIM + column_D[None, :]
    gate_ED = tl.load(gate_ptr + place_ED, mask=kept_E[:, None] & kept_D[None, :], other=0.0)
    if NORM:
        norm_D = tl.load(norm_ptr + column_D, mask=kept_D, other=0.0).to(tl.float32)
    wait(OVERLAP)
    x_D = tl.load(x_ptr + token * x_stride + column_D, mask=kept_D, other=0.0).to(tl.float32)
    if NORM:
        normed_D = narrow(x_D * tl.rsqrt(tl.sum(x_D * x_D) / DIM + eps) * norm_D, normed_ptr, INTERPRETED)
        tl.store(normed_ptr + token * DIM + column_D, normed_D, mask=kept_D)
        x_D = normed_D.to(tl.float32)
    logits_E = tl.sum(gate_ED.to(tl.float32) * x_D[None, :], axis=1)
    tl.store(logits_ptr + token * NUM_EXPERTS + id_E, logits_E, mask=kept_E)
    taken_E = id_E >= NUM_EXPERTS
    chosen_K = tl.zeros((BLOCK_K,), tl.int32)
    logit_K = tl.full((BLOCK_K,), float("-inf"), tl.float32)
    for i in tl.static_range(K):
        largest = tl.max(tl.where(taken_E, float("-inf"), logits_E), axis=0)
        # No logit equals a maximum that is NaN: the bound keeps the id inside the experts.
        first = tl.min(tl.where((logits_E == largest) & (taken_E == 0), id_E, NUM_EXPERTS - 1), axis=0)
        taken_E = taken_E | (id_E == first)
        chosen_K = tl.where(slot_K == i, first, chosen_K)
        logit_K = tl.where(slot_K == i, tl.sum(tl.where(id_E == first, logits_E, 0.0), axis=0), logit_K)
    power_K = tl.exp(logit_K - tl.max(logit_K, axis=0))
    weight_K = power_K / tl.sum(power_K, axis=0)
    tl.store(expert_ptr + token * K + slot_K, chosen_K, mask=slot_K < K)
    tl.store(weight_ptr + token * K + slot_K, weight_K, mask=slot_K < K)
