"""Every step that has a fast version, as one value: swapping one is ``replace(REFERENCE, experts=...)``."""

import importlib.util
import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from octavo.batch import Batch
from octavo.cache import KVCache
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
# A norm's weight and eps; a cache and which of its layers; what heads are turned by; experts' ids and weights.
Norm = tuple[Tensor, float]
Place = tuple[KVCache, int]
Rotation = tuple[Tensor, Tensor]
Routed = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ops:
    """One function for each accelerated step; each reference's docstring says what its twins must compute.

    ``linear`` and ``experts`` take weights as the checkpoints store them, or as ``lay_out`` and ``lay_out_experts`` of
    the same set return them, which is their own affair.

    The fields from ``norm_linear`` on do two or three steps in one pass, where a set can: None means one step after
    the other. The model calls the methods of their names, which know.
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
    norm_linear: Callable[[Tensor, Norm, Any], Tensor] | None = None
    linear_add: Callable[[Tensor, Any, Tensor], Tensor] | None = None
    norm_router: Callable[[Tensor, Norm, Tensor, int], tuple[Tensor, Routing]] | None = None
    experts_add: Callable[[Tensor, Routed, Any, Any, Tensor], Tensor] | None = None
    rotate_write_attend: Callable[[Tensor, Rotation, Place, Batch, int | None], Tensor] | None = None

    def map_normed(self, x_TD: Tensor, norm: Norm, weight: Any) -> Tensor:
        """Maps norm(x) by a weight."""
        if self.norm_linear is not None:
            return self.norm_linear(x_TD, norm, weight)
        return self.linear(self.norm(x_TD, *norm), weight)

    def add_mapped(self, x_TI: Tensor, weight: Any, residual_TO: Tensor) -> Tensor:
        """Adds x, mapped by a weight, to the residual."""
        if self.linear_add is not None:
            return self.linear_add(x_TI, weight, residual_TO)
        return residual_TO + self.linear(x_TI, weight)

    def route_normed(self, x_TD: Tensor, norm: Norm, gate_ED: Tensor, k: int) -> tuple[Tensor, Routing]:
        """Normalises x and routes it: the normalised rows, and their routing."""
        if self.norm_router is not None:
            return self.norm_router(x_TD, norm, gate_ED, k)
        normed_TD = self.norm(x_TD, *norm)
        return normed_TD, self.router(normed_TD, gate_ED, k)

    def add_experts(self, x_TD: Tensor, routed: Routed, w13: Any, w2: Any, residual_TD: Tensor) -> Tensor:
        """Adds what the experts say of x to the residual."""
        if self.experts_add is not None:
            return self.experts_add(x_TD, routed, w13, w2, residual_TD)
        return residual_TD + self.experts(x_TD, *routed, w13, w2)

    def attend(self, heads_TNH: Tensor, rope: Rotation, place: Place, batch: Batch, window: int | None) -> Tensor:
        """Turns queries and keys, stores keys and values in their place and slots, and attends to the cache.

        ``heads_TNH`` holds the Q query heads, then the G key heads, then the G value heads. Raises ValueError when the
        batch has no pages.
        """
        if self.rotate_write_attend is not None:
            return self.rotate_write_attend(heads_TNH, rope, place, batch, window)
        if batch.pages is None:
            raise ValueError("attend got a batch without pages: give it pages, or use packed_attention")
        cache, layer = place
        num_kv_heads = cache.key_LPBGH.shape[3]
        num_queries = heads_TNH.shape[1] - 2 * num_kv_heads
        turned_TNH, value_TGH = heads_TNH.split((num_queries + num_kv_heads, num_kv_heads), dim=1)
        query_TQH, key_TGH = self.rotate(turned_TNH, *rope).split((num_queries, num_kv_heads), dim=1)
        cache.write(layer, key_TGH, value_TGH, batch.pages.slot_T)
        return self.paged_attention(query_TQH, cache.key_LPBGH[layer], cache.value_LPBGH[layer], batch, window)


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
    """The fastest operations that are right for running a model of ``dtype`` on ``device``.

    Warns where a GPU has no Triton, without which decoding is several times slower.
    """
    kind = torch.device(device).type
    if kind == "cuda" and dtype == torch.bfloat16:
        if importlib.util.find_spec("triton") is not None:
            # Triton is there where torch is built for a GPU; nothing else needs it.
            from octavo.ops.gpu import TRITON  # noqa: PLC0415

            return TRITON
        warnings.warn("Triton is not installed, so decoding takes torch's own kernels: install triton", stacklevel=2)
        return GROUPED
    if kind == "cpu" and onednn.is_available(dtype):
        return CPU
    return REFERENCE
