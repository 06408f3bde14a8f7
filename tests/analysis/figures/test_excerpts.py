"""Excerpts are the first tokens of a document, without control tokens, as they are spelled."""

import pytest

from octavo.analysis.chunk import Flag
from octavo.analysis.figures.excerpts import read_excerpts, spell
from octavo.errors import TraceError
from tests.analysis.figures.traces import many_domains
from tests.analysis.synthetic import MemoryTrace, document, manifest_of

SPECIAL = Flag.BOS | Flag.SPECIAL
WORDS = {0: b"<s>", 1: b" the", 2: b"\xf0\x9f", 3: b"\n"}


def trace(**fields: object) -> MemoryTrace:
    documents = [
        document([(0, 1), (2, 3), (4, 5), (6, 7)], tokens=[0, 1, 2, 3], flags=[SPECIAL, 0, Flag.MISSING, 0], name=name)
        for name in ("a", "b")
    ]
    return MemoryTrace(documents, tokens=WORDS, **fields)  # type: ignore[arg-type]


def test_an_excerpt_has_the_tokens_their_experts_and_what_is_unknown() -> None:
    (excerpt,) = read_excerpts(trace(), domains=["x"], layers=(0,), num_tokens=9, document="b")
    assert excerpt.piece_T == (" the", r"\xf0\x9f", "\n") and excerpt.name == "b"
    assert excerpt.first_LT.tolist() == [[2, 4, 6]] and excerpt.known_T.tolist() == [True, False, True]
    (short,) = read_excerpts(trace(), domains=["x"], layers=(0,), num_tokens=1)
    assert short.piece_T == (" the",) and short.name == "a"


def test_what_cannot_be_coloured_is_one_line() -> None:
    with pytest.raises(TraceError, match="without words"):
        read_excerpts(MemoryTrace(trace().given), domains=["x"], layers=(0,), num_tokens=1)
    with pytest.raises(TraceError, match="no document 'z' in the domain 'x'"):
        read_excerpts(trace(), domains=["x"], layers=(0,), num_tokens=1, document="z")
    with pytest.raises(TraceError, match="in the domain 'y'"):
        read_excerpts(trace(), domains=["y"], layers=(0,), num_tokens=1)
    unordered = manifest_of(trace().given, rank_ordered=None)
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        read_excerpts(trace(stated=unordered), domains=["x"], layers=(0,), num_tokens=1)


def test_every_domain_gives_its_own() -> None:
    found = read_excerpts(many_domains(3), domains=["domain 2", "domain 0"], layers=(0, 2), num_tokens=5)
    assert [each.domain for each in found] == ["domain 2", "domain 0"]
    assert all(each.first_LT.shape == (2, 5) for each in found)


def test_bytes_that_are_no_text_are_spelled_by_number() -> None:
    assert spell(b"caf\xc3\xa9") == "café"
    assert spell(b"\xc3") == r"\xc3"
    assert spell(b"\x1b[0m\x00") == r"\u001b[0m\u0000"
