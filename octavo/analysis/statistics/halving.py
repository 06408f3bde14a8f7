"""Halving: the documents of each domain go to two halves in turn, so that what one teaches is tried on the other."""

from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Int64

from octavo.analysis.chunk import Chunk


@dataclass(slots=True)
class Halving:
    """Knows how many documents of each domain have come by; each pass over a trace begins with one of its own.

    Not by the documents' numbers: those of a domain may all be even.
    """

    met: dict[str, int] = field(default_factory=dict)

    def half_S(self, chunk: Chunk) -> Int64[np.ndarray, "S"]:
        """The half, 0 or 1, of each document of the next chunk."""
        before = self.met.get(chunk.domain, 0)
        self.met[chunk.domain] = before + len(chunk.document_S)
        return (before + np.arange(len(chunk.document_S))) % 2

    def half_T(self, chunk: Chunk) -> Int64[np.ndarray, "T"]:
        """The half of each token of the next chunk."""
        return np.asarray(self.half_S(chunk)[chunk.place_T])
