"""Every step that has a fast version, as one value: swapping one is ``replace(REFERENCE, experts=...)``."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from octavo.batch import Batch
from octavo.ops import invariant
from octavo.ops.attention import invariant as invariant_attention
from octavo.ops.attention import varlen
from octavo.ops.attention.reference import packed_attention, paged_attention
from octavo.ops.experts import cpu as experts_on_cpu
from octavo.ops.experts import grouped
from octavo.ops.experts.reference import experts, lay_out_experts
from octavo.ops.linear import cpu as linear_on_cpu
from octavo.ops.linear import onednn
from octavo.ops.linear.reference import lay_out, linear
from octavo.ops.norm.reference import norm
from octavo.ops.rope.reference import rotate
from octavo.ops.router import passes
from octavo.ops.router.reference import router
from octavo.ops.swiglu.reference import swiglu
from octavo.routing import Routing

Attention = Callable[[Tensor, Tensor, Tensor, Batch, int | None], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ops:
    """One function for each accelerated step; each reference's docstring says what its twins must compute.

    ``linear`` and ``experts`` take weights as the checkpoints store them, or as ``lay_out`` and ``lay_out_experts`` of
    the same set return them, which is their own affair.
    """

    lay_out: Callable[[Tensor], Any]
    linear: Callable[[Tensor, Any], Tensor]
    norm: Callable[[Tensor, Tensor, float], Tensor]
    rotate: Callable[[Tensor, Tensor, Tensor], Tensor]
    packed_attention: Attention
    paged_attention: Attention
    swiglu: Callable[[Tensor], Tensor]
    router: Callable[[Tensor, Tensor, int], Routing]
    experts: Callable[[Tensor, Tensor, Tensor, Any, Any], Tensor]
    lay_out_experts: Callable[[Tensor, Tensor], tuple[Any, Any]]


REFERENCE = Ops(
    lay_out=lay_out,
    linear=linear,
    norm=norm,
    rotate=rotate,
    packed_attention=packed_attention,
    paged_attention=paged_attention,
    swiglu=swiglu,
    router=router,
    experts=experts,
    lay_out_experts=lay_out_experts,
)

# For results equal to the bit whatever shares the batch: every token on its own, on any device.
INVARIANT = Ops(
    lay_out=lay_out,
    linear=invariant.linear,
    norm=invariant.norm,
    rotate=invariant.rotate,
    packed_attention=invariant_attention.packed_attention,
    paged_attention=invariant_attention.paged_attention,
    swiglu=invariant.swiglu,
    router=invariant.router,
    experts=invariant.experts,
    lay_out_experts=lay_out_experts,
)

# For bfloat16 on a GPU: torch's own grouped products and FlashAttention; nothing in it waits for the device.
GROUPED = replace(
    REFERENCE,
    packed_attention=varlen.packed_attention,
    router=passes.router,
    experts=grouped.experts,
)

# For running on a CPU: weights in FBGEMM's or oneDNN's layout, the experts by how many tokens there are.
CPU = replace(
    REFERENCE,
    lay_out=linear_on_cpu.lay_out,
    linear=linear_on_cpu.linear,
    experts=experts_on_cpu.experts,
    lay_out_experts=experts_on_cpu.lay_out,
)


def best(device: torch.device | str, dtype: torch.dtype = torch.float32) -> Ops:
    """The fastest operations that are right for running a model of ``dtype`` on ``device``."""
    kind = torch.device(device).type
    if kind == "cuda" and dtype == torch.bfloat16:
        return GROUPED
    if kind == "cpu" and onednn.is_available(dtype):
        return CPU
    return REFERENCE
