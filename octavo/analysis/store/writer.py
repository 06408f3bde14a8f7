"""TraceWriter: writes routes document by document, so that at any moment what is on the disk is a whole trace.

Rows gather in memory, a tail for each domain. A tail that is as long as a row group becomes a part; every half minute,
and at the end, the shorter tails are written as parts too, which their longer selves later replace in one step.
"""

import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import naming
from octavo.analysis.store.catalogue import Part, footer_of, scan, write_index
from octavo.analysis.store.claim import Claim
from octavo.analysis.store.document import Document, DocumentRoutes
from octavo.analysis.store.encode import table_of
from octavo.analysis.store.extras import arrow
from octavo.analysis.store.parts import ROW_GROUP, first_line, write_table
from octavo.analysis.store.vocabulary import write_words
from octavo.errors import TraceError

# Tails of many domains are held at once, but no more than this many row groups of them.
HELD_GROUPS = 8
UNDICTIONARIED = ("pos", "nll")


@dataclass(slots=True, kw_only=True)
class _Tail:
    """The newest rows of a domain: the part that they are, or will be, and how many of them the disk has."""

    part: Path
    index: int
    documents: list[Document] = field(default_factory=list)
    tables: list[Any] = field(default_factory=list)
    num_tokens: int = 0
    safe_tokens: int = 0


class TraceWriter:
    """Writes one process's share of a trace into ``folder``, which it makes where it is not there.

    A folder that holds a trace already is written on: ``done`` names its documents, of all processes. Its manifest
    must be this one. ``rank`` tells apart the processes that write together, ``num_ranks`` says how many there are.
    Rows that were added are on the disk at most ``flush_seconds`` later, if documents keep coming.

    Raises TraceError where the folder is something else, where another process writes under the same rank, and where
    the disk fails: what was written until then stays a readable trace, and the same run goes on from there.
    """

    def __init__(
        self,
        folder: str | Path,
        manifest: TraceManifest,
        *,
        rank: int = 0,
        num_ranks: int = 1,
        part_tokens: int = ROW_GROUP,
        flush_seconds: float = 30.0,
    ) -> None:
        if not 0 <= rank < num_ranks:
            raise TraceError(f"rank {rank} of {num_ranks} processes: want one from 0 to {num_ranks - 1}")
        arrow()
        self.folder = Path(folder)
        self.manifest = manifest
        self._part_tokens, self._flush_seconds = part_tokens, flush_seconds
        self._step = num_ranks
        _make_folder(self.folder)
        manifest.write(self.folder)
        self._claim = Claim.take(self.folder, rank)
        try:
            found = scan(self.folder)
            for stale in [self.folder / naming.index_name(rank), *naming.unfinished(self.folder, rank)]:
                stale.unlink(missing_ok=True)
        except BaseException:
            self._claim.release()
            raise
        self._mine = [part for part in found if part.rank == rank]
        self._done = {(each.domain, each.name) for part in found for each in part.documents}
        self._numbers = {each.document for part in found for each in part.documents}
        self._next_number = rank + max((number // num_ranks + 1 for number in self._numbers), default=0) * num_ranks
        self._tails: dict[str, _Tail] = {}
        self._flushed = time.monotonic()

    @property
    def rank(self) -> int:
        """Which of the processes this is."""
        return self._claim.rank

    @property
    def done(self) -> frozenset[tuple[str, str]]:
        """The domain and name of every document in the trace, those included that were not flushed yet."""
        return frozenset(self._done)

    def has(self, domain: str, name: str) -> bool:
        """Whether a document is in the trace."""
        return (domain, name) in self._done

    def add(self, document: DocumentRoutes) -> None:
        """Adds a document's rows. Raises TraceError where it contradicts the manifest, is in the trace already, or
        where the disk fails."""
        if self.has(document.domain, document.name):
            raise TraceError(f"{document.named} is in {self.folder} already: leave it out, as 'done' says")
        number = self._next_number if document.document is None else document.document
        if number in self._numbers or not 0 <= number < 2**32:
            raise TraceError(f"{document.named} has the number {number}, which is taken or not from 0 to 2^32 - 1")
        table = table_of(document, number, self.manifest)
        tail = self._tail(document.domain)
        if tail.num_tokens and tail.num_tokens + document.num_tokens > self._part_tokens:
            self._end(document.domain)
            tail = self._tail(document.domain)
        tail.tables.append(table)
        tail.documents.append(
            Document(
                document=number,
                domain=document.domain,
                name=document.name,
                source=document.source,
                num_tokens=document.num_tokens,
            )
        )
        tail.num_tokens += document.num_tokens
        self._done.add((document.domain, document.name))
        self._numbers.add(number)
        if document.document is None:
            self._next_number += self._step
        self._keep_small(document.domain)

    def flush(self) -> None:
        """Writes all rows that are only in memory. Raises TraceError where the disk fails."""
        for domain in self._tails:
            self._save(domain)
        self._flushed = time.monotonic()

    def write_vocabulary(self, pieces: Sequence[bytes], special_ids: Collection[int]) -> None:
        """Keeps what each token id spells, beside the rows; ``pieces[id]`` is empty where an id has no token."""
        if self.manifest.has_tokens:
            write_words(self.folder, pieces, special_ids)

    def close(self) -> None:
        """Writes what is left and lists this process's documents. Raises TraceError where the disk fails, after which
        every row that was written is still there."""
        if self._claim.released:
            return
        try:
            self.flush()
            for domain in list(self._tails):
                self._end(domain)
            self._guarded(naming.index_name(self.rank), lambda: write_index(self.folder, self.rank, self._mine))
        except BaseException:
            self._claim.release()
            raise
        self._claim.fulfil()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
            return
        try:
            self.flush()
        except TraceError:
            pass  # the error that ends the block is the one to tell
        finally:
            self._claim.release()

    def _tail(self, domain: str) -> _Tail:
        if domain not in self._tails:
            index = sum(part.domain == domain for part in self._mine)
            name = naming.part_name(self.rank, index)
            self._tails[domain] = _Tail(part=self.folder / naming.domain_folder(domain) / name, index=index)
        return self._tails[domain]

    def _keep_small(self, domain: str) -> None:
        """Writes what is long enough, or has waited long enough, or is too much to hold."""
        if self._tails[domain].num_tokens >= self._part_tokens:
            self._end(domain)
        if sum(tail.num_tokens for tail in self._tails.values()) > HELD_GROUPS * self._part_tokens:
            self._end(max(self._tails, key=lambda each: self._tails[each].num_tokens))
        if time.monotonic() - self._flushed > self._flush_seconds:
            self.flush()

    def _end(self, domain: str) -> None:
        """Writes a domain's tail for good; the next row begins another part."""
        self._save(domain)
        tail = self._tails.pop(domain)
        self._mine.append(
            Part(path=tail.part, domain=domain, rank=self.rank, index=tail.index, documents=tuple(tail.documents))
        )

    def _save(self, domain: str) -> None:
        tail = self._tails[domain]
        if tail.safe_tokens == tail.num_tokens:
            return
        table = arrow().concat_tables(tail.tables).combine_chunks()
        table = table.replace_schema_metadata(footer_of(domain, tail.documents))
        dictionary = [name for name in table.column_names if name not in UNDICTIONARIED and name[0] != "z"]

        def write() -> None:
            tail.part.parent.mkdir(exist_ok=True)
            write_table(table, tail.part, dictionary=dictionary, deltas=["pos"])

        self._guarded(str(tail.part.relative_to(self.folder)), write)
        tail.tables = [table]
        tail.safe_tokens = tail.num_tokens

    def _guarded(self, name: str, write: Any) -> None:
        try:
            write()
        except OSError as error:
            safe = sum(part.num_tokens for part in self._mine) + sum(each.safe_tokens for each in self._tails.values())
            raise TraceError(
                f"{self.folder / name} cannot be written ({first_line(error)}): {safe} tokens written before are safe; "
                "make room, and the same run goes on from there"
            ) from None


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        strange = any(folder.iterdir()) and not (folder / "manifest.json").exists()
    except OSError as error:
        raise TraceError(f"{folder} cannot be made ({first_line(error)}): give a folder that can be written") from None
    if strange and not naming.marks(folder):
        raise TraceError(f"{folder} holds other files and is no trace: give a new folder, or an empty one")
