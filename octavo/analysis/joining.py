"""Joining: the chunks of a domain as one chunk, for what looks across the ends of documents."""

import itertools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from octavo.analysis.chunk import Chunk

ALONG_LAYERS = ("expert_LTK", "code_LT", "weight_LTK", "logits_LTE")
ALONG_TOKENS = ("position_T", "phase_T", "flag_T", "token_T", "nll_T", "prediction_T")


def by_domain(chunks: Iterable[Chunk]) -> Iterator[Chunk]:
    """Yields each domain's documents as one chunk, in order; takes the memory of a whole domain."""
    for _, several in itertools.groupby(chunks, key=lambda chunk: chunk.domain):
        yield join(list(several))


def join(chunks: Sequence[Chunk]) -> Chunk:
    """The documents of chunks of one domain, one after another, with the columns that they have."""
    if len(chunks) == 1:
        return chunks[0]
    first = chunks[0]
    fields: dict[str, Any] = {}
    for name in (*ALONG_LAYERS, *ALONG_TOKENS):
        arrays = [getattr(chunk, name) for chunk in chunks]
        fields[name] = None if arrays[0] is None else np.concatenate(arrays, axis=1 if name in ALONG_LAYERS else 0)
    lengths = np.concatenate([np.diff(chunk.start_S1) for chunk in chunks])
    return Chunk(
        domain=first.domain,
        document_S=np.concatenate([chunk.document_S for chunk in chunks]),
        start_S1=np.concatenate([[0], np.cumsum(lengths)]),
        **fields,
    )
