"""Streams: the tokens of a trace that count, as what caches of experts are asked for."""

from collections.abc import Iterator

import numpy as np

from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.eviction import Stream

PIECE = 1 << 14  # tokens of the documents that are played at a time, fewer where there are many experts:
CELLS = 1 << 24  # what a play holds grows with the steps, the caches and the experts of each


def streams(
    source: TraceSource, selection: Selection, max_tokens: int | None = None, *, shared: bool = False
) -> Iterator[tuple[Chunk, Stream]]:
    """Yields whole documents with a cache for each layer; a document none of whose tokens counts asks for nothing.

    ``shared`` says that one cache will serve all layers, which takes more room. ``max_tokens`` leaves out the documents
    that begin after so many tokens of their domain.
    """
    domains, layers = selection.domains_of(source), selection.layers_of(source.manifest)
    cells = len(layers) * source.manifest.num_experts * (len(layers) if shared else 1)
    begun: dict[str, int] = {}
    for chunk in source.chunks(domains=domains, layers=layers, max_tokens=max(1, min(PIECE, CELLS // cells))):
        keep_T = selection.token_T(chunk)
        if max_tokens is not None:
            before = begun.get(chunk.domain, 0)
            keep_T &= (chunk.start_S1[:-1] + before < max_tokens)[chunk.place_T]
            begun[chunk.domain] = before + chunk.num_tokens
        start_S1 = np.append(0, np.cumsum(keep_T))[chunk.start_S1]
        item_GNk = chunk.expert_LTK[:, keep_T]
        yield chunk, Stream(item_GNk=item_GNk, start_S1=start_S1, num_items=source.manifest.num_experts)
