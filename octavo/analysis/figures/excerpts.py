"""Excerpts: the beginnings of documents, token by token, with the experts that read them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Integer

from octavo.analysis.chunk import Chunk, Flag
from octavo.analysis.source import TraceSource
from octavo.analysis.store import Document
from octavo.errors import TraceError


@runtime_checkable
class Worded(TraceSource, Protocol):
    """A trace with its documents and what its tokens spell; RouteTrace is one."""

    def documents(self) -> list[Document]:
        """All documents, in order."""

    def vocabulary(self) -> dict[int, bytes]:
        """The bytes of each id."""

    def token_bytes(self, token: int) -> bytes:
        """The bytes of one id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Excerpt:
    """T tokens of a document: what each spells, its first choice in L layers, and whether anybody knows it."""

    domain: str
    name: str
    piece_T: tuple[str, ...]
    first_LT: Integer[np.ndarray, "L T"]
    known_T: Bool[np.ndarray, "T"]
    layers: tuple[int, ...]


def read_excerpts(
    trace: Worded, *, domains: Sequence[str], layers: tuple[int, ...], num_tokens: int, document: str | None = None
) -> list[Excerpt]:
    """The first tokens of one document of each domain: of the one that is called ``document``, or of the first.

    Control tokens are left out. Raises TraceError for a trace without words, a domain without documents, and a document
    that is not there.
    """
    if not trace.manifest.has_tokens or not trace.vocabulary():
        raise TraceError(
            "a trace without words: coloured text wants token ids and what they spell; trace anew with both"
        )
    if trace.manifest.rank_ordered is not True:
        raise TraceError("nobody knows which expert came first in this trace: a text cannot be coloured by it")
    wanted = {each.domain: each.document for each in reversed(trace.documents()) if document in (None, each.name)}
    if lost := [domain for domain in domains if domain not in wanted]:
        raise TraceError(f"no document {document or ''!r} in the domain {lost[0]!r}: look at the trace's documents")
    return [next(_of(trace, domain, wanted[domain], layers, num_tokens)) for domain in domains]


def _of(trace: Worded, domain: str, number: int, layers: tuple[int, ...], num_tokens: int) -> Iterator[Excerpt]:
    names = {each.document: each.name for each in trace.documents() if each.domain == domain}
    for chunk in trace.chunks(domains=[domain], layers=layers, max_tokens=8192):
        found = np.flatnonzero(chunk.document_S == number)
        if len(found):
            rows = _rows(chunk, int(found[0]), num_tokens)
            assert chunk.token_T is not None
            yield Excerpt(
                domain=domain,
                name=names[number],
                piece_T=tuple(spell(trace.token_bytes(int(each))) for each in chunk.token_T[rows]),
                first_LT=chunk.expert_LTK[:, rows, 0],
                known_T=(chunk.flag_T[rows] & Flag.MISSING) == 0,
                layers=layers,
            )
    raise TraceError(f"document {number} of the domain {domain!r} has no rows: the trace is damaged")


def _rows(chunk: Chunk, place: int, num_tokens: int) -> Integer[np.ndarray, "T"]:
    first, last = chunk.start_S1[place : place + 2]
    row_T = np.arange(first, last)
    return np.asarray(row_T[(chunk.flag_T[row_T] & (Flag.SPECIAL | Flag.BOS)) == 0][:num_tokens])


def spell(piece: bytes) -> str:
    """A token's bytes as text; bytes that are no text by themselves, and control characters, as they are numbered."""
    text = piece.decode("utf-8", errors="backslashreplace")
    return "".join(each if each.isprintable() or each in "\n\t" else f"\\u{ord(each):04x}" for each in text)
