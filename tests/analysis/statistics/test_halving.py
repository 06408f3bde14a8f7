"""Both halves have documents of every domain, however the documents are numbered."""

from octavo.analysis.statistics.halving import Halving
from tests.analysis.synthetic import MemoryTrace, document


def halves_of(trace: MemoryTrace, max_tokens: int) -> dict[str, list[int]]:
    halving, found = Halving(), {domain: [] for domain in trace.domains}
    for chunk in trace.chunks(max_tokens=max_tokens):
        found[chunk.domain] += halving.half_S(chunk).tolist()
    return found


def test_documents_of_a_domain_go_to_the_halves_in_turn() -> None:
    trace = MemoryTrace([document([(0, 1)] * 2, domain="ab"[number % 2], name=str(number)) for number in range(8)])
    assert halves_of(trace, 1000) == {"a": [0, 1, 0, 1], "b": [0, 1, 0, 1]}


def test_the_size_of_chunks_does_not_matter() -> None:
    trace = MemoryTrace([document([(0, 1)] * 2, name=str(number)) for number in range(5)])
    assert halves_of(trace, 2) == halves_of(trace, 5) == {"x": [0, 1, 0, 1, 0]}


def test_tokens_are_in_the_half_of_their_document() -> None:
    trace = MemoryTrace([document([(0, 1)] * size, name=str(size)) for size in (2, 3, 1)])
    (chunk,) = trace.chunks()
    assert Halving().half_T(chunk).tolist() == [0, 0, 1, 1, 1, 0]
