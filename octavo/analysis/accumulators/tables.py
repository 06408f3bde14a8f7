"""Accumulators: a trace's counts without its rows, in whole numbers that add, for traces too long to keep.

    tables(all documents) = Σ over shards tables(the shard's documents), in any order, bit for bit

Memory does not grow with the number of tokens; of each document its number is kept, so that none is counted twice.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Int64

from octavo.analysis.accumulators.contents import EVERYWHERE, Contents
from octavo.analysis.accumulators.filling import chunk_tables, count_vocabulary, expect_ids
from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.errors import TraceError

Table = Int64[np.ndarray, "..."]


@dataclass(slots=True, kw_only=True)
class Accumulators:
    """The counts of the documents handed to ``add``, by domain; what is kept and what counts is fixed from the start.

    ``parts`` are the hashes of what was added: one for each process that added chunks and whose counts were merged.
    ``words`` are the bytes that each token id spells, where they lay beside the counts.
    """

    manifest: TraceManifest
    contents: Contents = field(default_factory=Contents)
    selection: Selection = field(default_factory=Selection)
    tables: dict[str, dict[str, Table]] = field(default_factory=dict)
    documents: dict[str, set[int]] = field(default_factory=dict)
    merged: set[str] = field(default_factory=set)
    words: Mapping[int, bytes] = field(default_factory=dict)
    _own: Any = None

    @classmethod
    def over(
        cls, source: TraceSource, *, contents: Contents | None = None, selection: Selection | None = None
    ) -> "Accumulators":
        """Counts a whole trace in one pass over its rows; without replicates, unless ``contents`` asks for them."""
        contents = contents or Contents(replicates=0, layer_pairs=False, vocabulary=False, confidence=False)
        found = cls(manifest=source.manifest, contents=contents, selection=selection or Selection())
        for domain in found.selection.domains_of(source):
            found.room(domain)
        wants = found.columns
        for chunk in found.selection.chunks(source, weights=wants["weights"], logits=wants["logits"]):
            found.add(chunk)
        return found

    @property
    def coding(self) -> RouteCoding:
        """How experts become codes."""
        return self.manifest.coding

    @property
    def layers(self) -> tuple[int, ...]:
        """The layers counted, by the model's own numbers."""
        return self.selection.layers_of(self.manifest)

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of all domains, sorted."""
        return tuple(sorted(domain for domain in self.tables if domain != EVERYWHERE))

    @property
    def columns(self) -> dict[str, bool]:
        """Which optional columns ``add`` needs in its chunks."""
        wanted = self.contents.confidence
        return {"weights": wanted and self.manifest.has_weights, "logits": wanted and self.manifest.has_logits}

    @property
    def parts(self) -> tuple[str, ...]:
        """The hashes of all parts, sorted."""
        own = {self._own.hexdigest()} if self._own is not None else set()
        return tuple(sorted(self.merged | own))

    @property
    def num_tokens(self) -> int:
        """The tokens that were counted."""
        return sum(int(self.tables[domain]["tokens"]) for domain in self.domains)

    def vocabulary(self) -> Mapping[int, bytes]:
        """The bytes of each token id; empty where nobody kept them."""
        return self.words

    def add(self, chunk: Chunk) -> None:
        """Counts the documents of a chunk whose layers are ``layers``.

        Raises TraceError, and counts nothing, for a document that was counted before, and for a chunk that does not
        hold what the manifest promises.
        """
        self._expect_new(chunk.domain, set(chunk.document_S.tolist()))
        if len(chunk.expert_LTK) != len(self.layers):
            raise TraceError(f"a chunk of {len(chunk.expert_LTK)} layers: want the {len(self.layers)} that are counted")
        room, everywhere = self.room(chunk.domain), self.room(EVERYWHERE)
        if "vocabulary" in everywhere:
            expect_ids(chunk, self.manifest)
        for name, table in chunk_tables(chunk, self.selection, self.contents, self.coding, room).items():
            room[name] += table
        if "vocabulary" in everywhere:
            count_vocabulary(everywhere["vocabulary"], chunk, self.selection, self.coding)
        self.documents.setdefault(chunk.domain, set()).update(chunk.document_S.tolist())
        self._sign(chunk)

    def merge(self, other: "Accumulators") -> None:
        """Adds another's counts to these.

        Raises TraceError, and adds nothing, for counts of another model or kind, for what was added before, and for
        pairs across documents, which no shard can know.
        """
        if self.selection.across_documents:
            raise TraceError("pairs across documents cannot be counted in shards: keep the rows, or leave them out")
        for name in ("contents", "selection"):
            if getattr(self, name) != getattr(other, name):
                raise TraceError(f"counts with other {name}: want {getattr(self, name)}, got {getattr(other, name)}")
        for name in ("num_experts", "num_experts_per_tok", "layers", "model_hash", "tokenizer_hash", "vocab_size"):
            mine, theirs = getattr(self.manifest, name), getattr(other.manifest, name)
            if mine != theirs:
                raise TraceError(f"counts of another model: {name} is {theirs}, want {mine} as in the first shard")
        if again := set(self.parts) & set(other.parts):
            raise TraceError(f"counts that were added before (part {min(again)[:12]}): give each shard once")
        for domain, numbers in other.documents.items():
            self._expect_new(domain, numbers)
        for domain, tables in other.tables.items():
            room = self.room(domain)
            for name, table in tables.items():
                room[name] += table
        for domain, numbers in other.documents.items():
            self.documents.setdefault(domain, set()).update(numbers)
        self.merged |= set(other.parts)

    def has(self, name: str) -> bool:
        """Whether a table is kept."""
        everywhere = self.contents.shared_shapes(self.manifest, self.layers)
        return name in self.contents.shapes(self.manifest, self.layers) or name in everywhere

    def table(self, name: str, domains: Sequence[str] = ()) -> Table:
        """A table summed over ``domains``, or the one over all domains; raises TraceError for one that is not kept."""
        if not self.has(name):
            raise TraceError(f"these counts were kept without {name!r}: trace anew with it, or keep the rows")
        if name in self.contents.shared_shapes(self.manifest, self.layers):
            return self.room(EVERYWHERE)[name]
        shape = self.contents.shapes(self.manifest, self.layers)[name]
        found = np.zeros(shape, np.int64)
        for domain in domains:
            found += self.tables[domain][name]
        return found

    def room(self, domain: str) -> dict[str, Table]:
        """The tables of a domain, made where it is new."""
        if domain not in self.tables:
            shapes = self.contents.shared_shapes if domain == EVERYWHERE else self.contents.shapes
            self.tables[domain] = {
                name: np.zeros(shape, np.int64) for name, shape in shapes(self.manifest, self.layers).items()
            }
        return self.tables[domain]

    def _expect_new(self, domain: str, numbers: set[int]) -> None:
        if again := numbers & self.documents.get(domain, set()):
            raise TraceError(f"document {min(again)} of domain {domain!r} was counted before: give each document once")

    def _sign(self, chunk: Chunk) -> None:
        if self._own is None:
            self._own = hashlib.sha256()
        routes = chunk.expert_LTK if chunk.code_LT is None else chunk.code_LT
        for each in (chunk.document_S, chunk.start_S1, chunk.flag_T, routes):
            self._own.update(np.ascontiguousarray(each).data)
        self._own.update(chunk.domain.encode())
