"""Forward: what one forward of training read, text by text, and how it was routed: what a recorder of a run takes."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch import Tensor

from octavo.routing import Routing
from octavo.training.packing import Packed, Packer


@dataclass(frozen=True, slots=True)
class Span:
    """Rows ``start`` to ``stop`` - 1 of a forward: a piece of one document, called FILE:LINE@TOKEN."""

    domain: str
    name: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class Forward:
    """The last forward of an optimizer step: its tokens on the host, without padding in ``spans``, and its routings
    of all rows, one a layer, on the device."""

    step: int
    token_T: Int[Tensor, "T"]
    spans: tuple[Span, ...]
    routings: tuple[Routing, ...]


def forward_of(step: int, packed: Packed, packer: Packer, routings: tuple[Routing, ...]) -> Forward:
    """Names the pieces of a packed batch."""
    spans, start = [], 0
    for piece in packed.pieces:
        shard = packer.shards[piece.shard]
        document = int(np.searchsorted(shard.start_D1, piece.start, side="right")) - 1
        offset = piece.start - int(shard.start_D1[document])
        name = f"{shard.source.name}:{document + 1}@{offset}"
        spans.append(Span(packer.domains[piece.domain], name, start, start + piece.length))
        start += piece.length
    return Forward(step, packed.batch.token_T, tuple(spans), routings)
