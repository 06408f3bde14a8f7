"""RouteTrace: reads a trace, one shard of it or several as one, whole documents at a time."""

from collections.abc import Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import naming
from octavo.analysis.store.catalogue import Part, scan
from octavo.analysis.store.decode import Wanted, chunk_of_rows, read_rows
from octavo.analysis.store.document import Document
from octavo.analysis.store.extras import arrow
from octavo.analysis.store.frame import checked_ranks, long_table, wide_table
from octavo.analysis.store.parts import ROW_GROUP
from octavo.analysis.store.vocabulary import NO_WORDS, Words, read_words
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class RouteTrace:
    """The rows of a trace on a disk; rows are read when they are asked for, a part at a time.

    ``complete`` is False while a process is writing the trace, and where one was stopped before it was done.
    """

    folders: tuple[Path, ...]
    manifest: TraceManifest
    parts: tuple[Part, ...]
    words: Words
    complete: bool

    @classmethod
    def open(cls, path: str | Path | Sequence[str | Path]) -> "RouteTrace":
        """Opens a trace, or several shards of one run as one trace.

        Raises TraceError for a folder that is no trace or has no rows, for a part that is missing, damaged or foreign,
        and for shards that contradict each other or hold the same document.
        """
        paths = [path] if isinstance(path, str | Path) else list(path)
        if not paths:
            raise TraceError("no trace was given: want the folder of one, or of several shards")
        folders = tuple(Path(each) for each in paths)
        manifests = [TraceManifest.read(folder) for folder in folders]
        for folder, manifest in zip(folders, manifests, strict=True):
            if difference := manifests[0].contradiction(manifest):
                raise TraceError(f"{folders[0]} and {folder} are not of one run: {difference}; open them one by one")
        if manifests[0].statistics_only:
            raise TraceError(f"{folders[0]} keeps statistics only, no rows: trace without --stats-only to have them")
        shards = [scan(folder) for folder in folders]
        for folder, shard in zip(folders, shards, strict=True):
            if not shard:
                raise TraceError(f"{folder} has no rows: the run ended before its first; run it again")
        parts = _renumbered(shards)
        _check_once(parts)
        words = next((each for each in map(read_words, folders) if each.pieces), NO_WORDS)
        return cls(
            folders=folders,
            manifest=manifests[0],
            parts=tuple(sorted(parts, key=lambda part: part.domain)),
            words=words,
            complete=not any(naming.marks(folder) for folder in folders),
        )

    @property
    def coding(self) -> RouteCoding:
        """How experts become codes."""
        return self.manifest.coding

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of all domains, sorted."""
        return tuple(sorted({part.domain for part in self.parts}))

    @property
    def num_tokens(self) -> int:
        """The rows of all documents."""
        return sum(part.num_tokens for part in self.parts)

    @property
    def special_ids(self) -> frozenset[int]:
        """The ids of the control tokens; none where the trace has no vocabulary."""
        return self.words.special_ids

    def documents(self) -> list[Document]:
        """All documents by number."""
        return sorted((each for part in self.parts for each in part.documents), key=lambda each: each.document)

    def vocabulary(self) -> dict[int, bytes]:
        """The UTF-8 bytes that each token id stands for; empty where the trace has no vocabulary."""
        return dict(self.words.pieces)

    def token_bytes(self, token: int) -> bytes:
        """What a token id stands for. Raises TraceError where the trace does not know it."""
        if token not in self.words.pieces:
            raise TraceError(
                f"{self.folders[0]} does not know token {token}: it has the words of {len(self.words.pieces)}"
            )
        return self.words.pieces[token]

    def chunks(
        self,
        *,
        domains: Collection[str] | None = None,
        layers: Sequence[int] | None = None,
        weights: bool = False,
        logits: bool = False,
        nll: bool = False,
        predictions: bool = False,
        max_tokens: int = ROW_GROUP,
    ) -> Iterator[Chunk]:
        """Yields whole documents, domain by domain, in the order in which they were written.

        A chunk has at most ``max_tokens`` rows, or one longer document. ``layers`` are the model's own numbers and come
        in the order given. Raises TraceError for a domain, layer or column that the trace does not have, and for a part
        that is damaged.
        """
        wanted = self.wanted(layers, weights=weights, logits=logits, nll=nll, predictions=predictions)
        if domains is not None and (strange := sorted(set(domains) - set(self.domains))):
            raise TraceError(f"{self.folders[0]} has no domain {strange[0]!r}: want some of {list(self.domains)}")
        return self._chunks(wanted, domains, max_tokens)

    def _chunks(self, wanted: Wanted, domains: Collection[str] | None, max_tokens: int) -> Iterator[Chunk]:
        for part, table in self.tables(wanted, domains=domains):
            first_row = 0
            for documents in _batches(part.documents, max_tokens):
                num_rows = sum(each.num_tokens for each in documents)
                rows = table.slice(first_row, num_rows)
                yield chunk_of_rows(rows, documents, wanted, path=part.path, first_row=first_row)
                first_row += num_rows

    def frame(
        self,
        *,
        domains: Collection[str] | None = None,
        layers: Sequence[int] | None = None,
        ranks: Sequence[int] | None = None,
        long: bool = False,
        weights: bool = False,
        nll: bool = False,
        predictions: bool = False,
    ) -> Any:
        """Gives rows as one Arrow table in memory; ``.to_pandas()`` and ``polars.from_arrow`` go on from there.

        Wide, a row is a token and has the columns ``expert_{layer}_{rank}`` and ``weight_{layer}_{rank}``; long, a row
        is a token, a layer and a rank. Rank 0 is the first choice. An expert that is not known is null. Raises
        TraceError for what the trace does not have.
        """
        if long and (nll or predictions):
            raise TraceError("a long frame repeats each token: ask for nll and predictions in a wide one")
        wanted = self.wanted(layers, weights=weights, nll=nll, predictions=predictions)
        chosen = checked_ranks(ranks, self.coding.k)
        make = long_table if long else wide_table
        chunks = self.chunks(domains=domains, layers=layers, weights=weights, nll=nll, predictions=predictions)
        tables = [make(chunk, wanted.layers, chosen) for chunk in chunks]
        return arrow().concat_tables(tables).unify_dictionaries()

    def wanted(self, layers: Sequence[int] | None, **columns: bool) -> Wanted:
        """Says which columns to read. Raises TraceError for a layer or column that the trace does not have."""
        for name, asked in columns.items():
            if asked and not getattr(self.manifest, f"has_{name}"):
                raise TraceError(f"{self.folders[0]} has no {name}: trace again with them, or leave them out")
        chosen = self.manifest.layers if layers is None else tuple(layers)
        if strange := sorted(set(chosen) - set(self.manifest.layers)):
            raise TraceError(f"{self.folders[0]} has no layer {strange[0]}: want some of {list(self.manifest.layers)}")
        if not chosen or len(set(chosen)) != len(chosen):
            raise TraceError(f"the layers {list(chosen)} were asked for: want at least one, each once")
        return Wanted(manifest=self.manifest, layers=chosen, **columns)

    def tables(self, wanted: Wanted, *, domains: Collection[str] | None = None) -> Iterator[tuple[Part, Any]]:
        """Yields each part with its rows as an Arrow table, the next one being read meanwhile."""
        parts = [part for part in self.parts if domains is None or part.domain in domains]
        with ThreadPoolExecutor(1) as reader:
            ahead = reader.submit(read_rows, parts[0], wanted) if parts else None
            for place, part in enumerate(parts):
                assert ahead is not None
                table = ahead.result()
                ahead = reader.submit(read_rows, parts[place + 1], wanted) if place + 1 < len(parts) else None
                yield part, table


def _batches(documents: Sequence[Document], max_tokens: int) -> Iterator[list[Document]]:
    batch: list[Document] = []
    size = 0
    for each in documents:
        if batch and size + each.num_tokens > max_tokens:
            yield batch
            batch, size = [], 0
        batch.append(each)
        size += each.num_tokens
    if batch:
        yield batch


def _renumbered(shards: Sequence[list[Part]]) -> list[Part]:
    """The parts of all shards; where two shards number their documents alike, later ones are numbered on."""
    numbers = [{each.document for part in shard for each in part.documents} for shard in shards]
    if len(set().union(*numbers)) == sum(len(each) for each in numbers):
        return [part for shard in shards for part in shard]
    parts, shift = [], 0
    for shard, taken in zip(shards, numbers, strict=True):
        parts += [part.shifted(shift) for part in shard]
        shift += max(taken) + 1
    return parts


def _check_once(parts: Sequence[Part]) -> None:
    """Raises TraceError where two parts hold the same document, or two documents have the same number."""
    names: dict[tuple[str, str], Part] = {}
    numbers: dict[int, Part] = {}
    for part in parts:
        for each in part.documents:
            other = names.setdefault((each.domain, each.name), part)
            taken = numbers.setdefault(each.document, part)
            if other is not part or taken is not part:
                said = f"document {each.name!r}" if other is not part else f"a document with the number {each.document}"
                where = other if other is not part else taken
                raise TraceError(f"{said} stands in {where.path} and in {part.path}: leave one of the two out")
