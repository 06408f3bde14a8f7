"""Chunks of a domain joined are the chunk that one would have read at once."""

from dataclasses import fields

import numpy as np

from octavo.analysis.chunk import Chunk
from octavo.analysis.joining import by_domain, join
from octavo.analysis.selection import Selection
from tests.analysis.synthetic import MemoryTrace, document, uniform

DOCUMENTS = [
    uniform(20 + seed, num_layers=3, domain=domain, name=str(seed), seed=seed) for domain in "ab" for seed in range(4)
]


def same(one: Chunk, other: Chunk) -> bool:
    pairs = [(getattr(one, each.name), getattr(other, each.name)) for each in fields(Chunk)]
    return all(np.array_equal(a, b) for a, b in pairs)


def test_a_domain_in_pieces_is_the_domain() -> None:
    trace = MemoryTrace(DOCUMENTS)
    pieces = list(trace.chunks(max_tokens=25))
    assert len(pieces) == 8
    joined, whole = list(by_domain(pieces)), list(trace.chunks())
    assert len(joined) == 2
    assert all(same(one, other) for one, other in zip(joined, whole, strict=True))


def test_columns_that_are_not_there_stay_away() -> None:
    chunks = [next(MemoryTrace([document([(0, 1)])]).chunks()) for _ in range(2)]
    assert join(chunks).weight_LTK is None
    assert join(chunks[:1]) is chunks[0]


def test_across_documents_a_domain_is_one_chunk_however_it_is_read() -> None:
    class Piecewise(MemoryTrace):
        def chunks(self, **asked):  # type: ignore[no-untyped-def]
            yield from MemoryTrace.chunks(self, **{**asked, "max_tokens": 25})

    source = Piecewise(DOCUMENTS)
    assert len(list(Selection().chunks(source))) == 8
    assert len(list(Selection(across_documents=True).chunks(source))) == 2
