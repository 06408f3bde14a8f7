"""SQL over a trace: views that read its files and nothing else, for questions that no statistic has a name for."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.analysis.store import views
from octavo.analysis.store.extras import arrow, duckdb
from octavo.analysis.store.reader import RouteTrace
from octavo.errors import TraceError

AT_ONCE = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """The answer to a query: the names of its columns, and its rows, which are fetched as they are asked for."""

    columns: tuple[str, ...]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def asked(trace: RouteTrace, query: str) -> Iterator[Answer]:
    """Answers one SELECT (or DESCRIBE, SHOW, SUMMARIZE) over the views ``tokens``, ``routes``, ``documents`` and
    ``vocabulary`` with DuckDB. Raises TraceError for a query that fails, that is not one SELECT, and for one that
    reaches for anything but the trace."""
    errors = duckdb().Error
    with tempfile.TemporaryDirectory(prefix="octavo-sql-") as spill:
        try:
            connection = _opened(trace, Path(spill))
            statements = connection.extract_statements(query)
            if [each.type for each in statements] != [duckdb().StatementType.SELECT]:
                raise TraceError(
                    f"the query has {len(statements)} statements or is no SELECT: ask one SELECT at a time"
                )
            connection.execute(statements[0])
            names = tuple(column[0] for column in connection.description)
            yield Answer(columns=names, rows=_rows(connection))
        except errors as error:
            said = " ".join(str(error).partition("\nLINE")[0].split())
            raise TraceError(
                f"the query failed: {said}: 'show tables' and 'describe routes' say what there is"
            ) from None


def _opened(trace: RouteTrace, spill: Path) -> Any:
    connection = duckdb().connect()
    for statement in (*views.MACROS, views.tokens_view(trace.parts, trace.manifest), views.routes_view(trace.manifest)):
        connection.execute(statement)
    connection.register("documents", _documents(trace))
    connection.register("vocabulary", _vocabulary(trace))
    # From here on the query may read the trace's own parts, and can change nothing about that.
    paths = [part.path.resolve() for part in trace.parts]
    for setting in (
        f"temp_directory = {views.quoted(str(spill))}",
        f"allowed_paths = {views.quoted_list(paths)}",
        "autoinstall_known_extensions = false",
        "autoload_known_extensions = false",
        "python_enable_replacements = false",
        "enable_external_access = false",
        "lock_configuration = true",
    ):
        connection.execute(f"SET {setting}")
    return connection


def _rows(connection: Any) -> Iterator[tuple[Any, ...]]:
    while rows := connection.fetchmany(AT_ONCE):
        yield from rows


def _documents(trace: RouteTrace) -> Any:
    pa = arrow()
    found = trace.documents()
    columns = {
        "doc_id": pa.array([each.document for each in found], pa.uint32()),
        "domain": pa.array([each.domain for each in found], pa.string()),
        "name": pa.array([each.name for each in found], pa.string()),
        "source": pa.array([each.source for each in found], pa.string()),
        "num_tokens": pa.array([each.num_tokens for each in found], pa.uint64()),
    }
    return pa.table(columns)


def _vocabulary(trace: RouteTrace) -> Any:
    pa = arrow()
    pieces = trace.vocabulary()
    columns = {
        "token_id": pa.array(list(pieces), pa.uint32()),
        "text": pa.array([piece.decode(errors="replace") for piece in pieces.values()], pa.string()),
        "bytes": pa.array(list(pieces.values()), pa.binary()),
        "special": pa.array([token in trace.special_ids for token in pieces], pa.bool_()),
    }
    return pa.table(columns)
