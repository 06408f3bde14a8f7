"""What stands in a trace's folder: its parts and their documents, and whatever is missing or foreign.

A part lists its documents in its own footer, so that what a stopped process has written can be read to its last row; a
process that is done lists all of its parts in one more file, so that a part that was lost afterwards is noticed.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Any

from octavo.analysis.store import naming
from octavo.analysis.store.document import Document
from octavo.analysis.store.extras import arrow
from octavo.analysis.store.parts import damaged, open_table, read_all, write_table
from octavo.errors import TraceError

FOOTER = b"octavo.documents"


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """A file of rows: whole documents of one domain, one after another.

    ``shift`` is what the documents' numbers here are above those in the file.
    """

    path: Path
    domain: str
    rank: int
    index: int
    documents: tuple[Document, ...]
    shift: int = 0

    @property
    def num_tokens(self) -> int:
        """The rows of the part."""
        return sum(each.num_tokens for each in self.documents)

    def shifted(self, shift: int) -> "Part":
        """The part with its documents numbered ``shift`` higher than in the file."""
        documents = tuple(replace(each, document=each.document + shift) for each in self.documents)
        return replace(self, documents=documents, shift=shift)


def footer_of(domain: str, documents: list[Document]) -> dict[bytes, bytes]:
    """What a part's footer says of its rows."""
    rows = [[each.document, each.name, each.source, each.num_tokens] for each in documents]
    return {FOOTER: json.dumps({"domain": domain, "documents": rows}, ensure_ascii=False).encode()}


def scan(folder: Path) -> list[Part]:
    """All parts of a trace, domain by domain, in the order in which they were written. Raises TraceError for a part
    that is missing, damaged or foreign."""
    # A process that is at work may add a part at any moment: its list is not asked, neither an old nor a fresh one.
    at_work = naming.marked_ranks(folder)
    indices = {rank: path for rank, path in naming.indices(folder).items() if rank not in at_work}
    listed = {rank: _read_index(folder, path) for rank, path in indices.items()}
    found = sorted(_part_files(folder))
    for rank in naming.marked_ranks(folder):
        listed.pop(rank, None)
    parts = []
    for path, rank, index in found:
        if rank not in listed:
            parts.append(_read_part(path, rank, index))
        elif path in listed[rank]:
            documents = listed[rank].pop(path)
            parts.append(Part(path=path, domain=documents[0].domain, rank=rank, index=index, documents=documents))
        else:
            raise TraceError(f"{path} is not in {indices[rank].name}: move it away, or remove that file to count it in")
    lost = [path for by_path in listed.values() for path in by_path]
    if lost:
        raise TraceError(f"{lost[0]} is missing: copy the whole trace again, or write it anew")
    _check_numbers(parts)
    return sorted(parts, key=lambda part: (part.domain, part.rank, part.index))


def write_index(folder: Path, rank: int, parts: list[Part]) -> None:
    """Lists the documents of a process that is done; raises OSError."""
    pa = arrow()
    rows = [
        (each.document, each.domain, each.name, each.source, each.num_tokens, str(part.path.relative_to(folder)))
        for part in parts
        for each in part.documents
    ]
    schema = _index_schema()
    columns = zip(*rows, strict=True) if rows else [()] * len(schema)
    arrays = [pa.array(column, kind) for column, kind in zip(columns, schema.types, strict=True)]
    table = pa.table(arrays, schema=schema)
    write_table(table, folder / naming.index_name(rank), dictionary=["domain", "part"], deltas=["doc_id"])


def _part_files(folder: Path) -> Iterator[tuple[Path, int, int]]:
    for inner in sorted(folder.glob(f"{naming.DOMAIN}*")):
        empty = True
        for path in inner.iterdir():
            if path.name.startswith("."):
                continue
            place = naming.read_part_name(path.name)
            if place is None:
                raise TraceError(f"{path} is not a part of this trace (part-RRRRR-NNNNNN.parquet): move it away")
            empty = False
            yield path, *place
        # A process makes the folder a moment before the part; only where none is at work is an empty one a loss.
        if empty and not naming.marks(folder):
            raise TraceError(f"{inner} is empty: copy its parts again, or remove the folder if the domain has none")


def _read_part(path: Path, rank: int, index: int) -> Part:
    with open_table(path) as file:
        footer = (file.metadata.metadata or {}).get(FOOTER)
        if footer is None:
            raise TraceError(
                f"{path} is a Parquet file of another kind: a trace's part lists its documents; move it away"
            )
        try:
            stated = json.loads(footer)
            domain = str(stated["domain"])
            documents = tuple(
                Document(document=int(number), domain=domain, name=str(name), source=str(source), num_tokens=int(count))
                for number, name, source, count in stated["documents"]
            )
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise damaged(path, error) from None
    return Part(path=path, domain=domain, rank=rank, index=index, documents=documents)


def _read_index(folder: Path, path: Path) -> dict[Path, tuple[Document, ...]]:
    rows = read_all(path, _index_schema()).to_pylist()
    return {
        folder / part: tuple(
            Document(
                document=row["doc_id"],
                domain=row["domain"],
                name=row["name"],
                source=row["source"],
                num_tokens=row["num_tokens"],
            )
            for row in group
        )
        for part, group in groupby(rows, key=lambda row: str(row["part"]))
    }


def _index_schema() -> Any:
    pa = arrow()
    texts = [(name, pa.string()) for name in ("domain", "name", "source")]
    return pa.schema([("doc_id", pa.uint32()), *texts, ("num_tokens", pa.uint64()), ("part", pa.string())])


def _check_numbers(parts: list[Part]) -> None:
    """Parts of one process and domain are numbered from 0 without a gap, and are named after their domain."""
    expected: dict[tuple[str, int], int] = {}
    for part in parts:
        if part.path.parent.name != (wanted := naming.domain_folder(part.domain)):
            raise TraceError(f"{part.path} holds the domain {part.domain!r}: want it in the folder {wanted}")
        index = expected.get((part.domain, part.rank), 0)
        if part.index != index:
            lost = part.path.with_name(naming.part_name(part.rank, index))
            raise TraceError(f"{lost} is missing: copy the whole trace again, or write it anew")
        expected[part.domain, part.rank] = index + 1
