"""Every step that has a fast version, as one value: swapping one is ``replace(REFERENCE, experts=...)``."""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor

from octavo.batch import Batch
from octavo.ops.attention.reference import packed_attention, paged_attention
from octavo.ops.experts.reference import experts
from octavo.ops.linear.reference import linear
from octavo.ops.norm.reference import norm
from octavo.ops.rope.reference import rotate
from octavo.ops.router.reference import router
from octavo.routing import Routing

Attention = Callable[[Tensor, Tensor, Tensor, Batch, int | None], Tensor]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ops:
    """One function for each accelerated step; each reference's docstring says what its twins must compute."""

    linear: Callable[[Tensor, Tensor], Tensor]
    norm: Callable[[Tensor, Tensor, float], Tensor]
    rotate: Callable[[Tensor, Tensor, Tensor], Tensor]
    packed_attention: Attention
    paged_attention: Attention
    router: Callable[[Tensor, Tensor, int], Routing]
    experts: Callable[[Tensor, Tensor, Tensor, Tensor, Tensor], Tensor]


REFERENCE = Ops(
    linear=linear,
    norm=norm,
    rotate=rotate,
    packed_attention=packed_attention,
    paged_attention=paged_attention,
    router=router,
    experts=experts,
)
