"""The words of a trace: what each token id spells, kept beside the rows so that a page needs no model."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from octavo.analysis.store.extras import arrow
from octavo.analysis.store.naming import VOCABULARY
from octavo.analysis.store.parts import damaged, first_line, open_table, write_table
from octavo.errors import TraceError

COLUMNS = ("token_id", "bytes", "special")


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
    table = pa.table(
        [
            pa.array(kept, pa.uint32()),
            pa.array([pieces[token] for token in kept], pa.binary()),
            pa.array([token in special_ids for token in kept], pa.bool_()),
        ],
        names=list(COLUMNS),
    )
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
    with open_table(path) as file:
        if file.schema_arrow.names != list(COLUMNS):
            raise TraceError(f"{path} has the columns {file.schema_arrow.names}, want {list(COLUMNS)}: remove it")
        try:
            token, pieces, special = (column.to_pylist() for column in file.read().itercolumns())
        except (OSError, ValueError, arrow().lib.ArrowException) as error:
            raise damaged(path, error) from None
    special_ids = frozenset(each for each, is_special in zip(token, special, strict=True) if is_special)
    return Words(pieces=dict(zip(token, pieces, strict=True)), special_ids=special_ids)
