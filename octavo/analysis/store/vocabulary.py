"""The words of a trace: what each token id spells, kept beside the rows so that a page needs no model."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.analysis.store.extras import arrow
from octavo.analysis.store.naming import VOCABULARY
from octavo.analysis.store.parts import first_line, read_all, write_table
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """``pieces`` gives the UTF-8 bytes of each token id that has a token, ``special_ids`` the control tokens."""

    pieces: Mapping[int, bytes]
    special_ids: frozenset[int]


NO_WORDS = Words(pieces={}, special_ids=frozenset())


def write_words(folder: Path, pieces: Sequence[bytes], special_ids: Collection[int]) -> None:
    """Writes ``vocabulary.parquet``; an id whose piece is empty has no token and is left out. Raises TraceError."""
    pa = arrow()
    kept = [token for token, piece in enumerate(pieces) if piece or token in special_ids]
    columns = (kept, [pieces[token] for token in kept], [token in special_ids for token in kept])
    schema = _schema()
    table = pa.table([pa.array(each, kind) for each, kind in zip(columns, schema.types, strict=True)], schema=schema)
    try:
        write_table(table, folder / VOCABULARY, dictionary=["special"], deltas=["token_id"])
    except OSError as error:
        raise TraceError(
            f"{folder / VOCABULARY} cannot be written ({first_line(error)}): make room, run it again"
        ) from None


def read_words(folder: Path) -> Words:
    """Reads ``vocabulary.parquet``; no words where the trace has none. Raises TraceError for a damaged file."""
    path = folder / VOCABULARY
    if not path.exists():
        return NO_WORDS
    token, pieces, special = (column.to_pylist() for column in read_all(path, _schema()).itercolumns())
    special_ids = frozenset(each for each, is_special in zip(token, special, strict=True) if is_special)
    return Words(pieces=dict(zip(token, pieces, strict=True)), special_ids=special_ids)


def _schema() -> Any:
    pa = arrow()
    return pa.schema([("token_id", pa.uint32()), ("bytes", pa.binary()), ("special", pa.bool_())])
