"""``octavo sql``: any question about a trace, in SQL, over views that read the trace and nothing else."""

import csv
import itertools
import sys
from collections.abc import Sequence
from decimal import Decimal
from typing import Annotated, Any

from typer import Argument, Option

from octavo.cli.flags import SWITCH, Json, NoColor

SHOWN = 200

Run = Annotated[str, Argument(metavar="RUN", help="A trace: the folder that octavo trace wrote.")]
Query = Annotated[
    str, Argument(metavar="QUERY", help="One SELECT of DuckDB's SQL. 'describe routes' shows a view's columns.")
]


def sql(
    run: Run,
    query: Query,
    *,
    csv: Annotated[bool, Option("--csv", metavar=SWITCH, help="Print all rows as CSV, the names first.")] = False,
    no_color: NoColor = False,
    json: Json = False,
) -> None:
    """Asks a trace a question in SQL.

    The views are tokens (a row a token, as stored), routes (a row for each
    token, layer and rank: expert, weight, first, legal), documents and
    vocabulary. The query reads the trace and no other file, and changes
    nothing. Without --csv or --json at most 200 rows are shown.
    """
    from octavo.analysis.store import RouteTrace
    from octavo.analysis.store.query import asked
    from octavo.errors import TraceError

    if csv and json:
        raise TraceError("--csv and --json were both given: want one of them")
    with asked(RouteTrace.open(run), query) as answer:
        if csv:
            _print_csv(answer.columns, answer.rows)
        elif json:
            from octavo.cli.screen import print_json

            print_json([dict(zip(answer.columns, map(plain, row), strict=True)) for row in answer.rows])
        else:
            _show(answer.columns, answer.rows, no_color=no_color)


def plain(value: Any) -> Any:
    """A value of DuckDB as JSON knows it: bytes as text where they are UTF-8, dates as they are written."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, bytes):
        return value.decode(errors="backslashreplace")
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, dict):
        return {str(plain(key)): plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value)


def _print_csv(columns: Sequence[str], rows: Any) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    writer.writerows(map(plain, row) for row in rows)


def _show(columns: Sequence[str], rows: Any, *, no_color: bool) -> None:
    from rich import box
    from rich.table import Table

    from octavo.cli.escaping import escape_line
    from octavo.cli.screen import open_screen

    first = [[plain(value) for value in row] for row in itertools.islice(rows, SHOWN)]
    more = next(rows, None) is not None
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    for place, name in enumerate(columns):
        numbers = all(isinstance(row[place], int | float | None) for row in first)
        table.add_column(escape_line(name), justify="right" if numbers and first else "left", overflow="fold")
    for row in first:
        table.add_row(*(_cell(value) for value in row))
    screen = open_screen(no_color=no_color)
    screen.show(table)
    if more:
        screen.say(f"The first {SHOWN} rows; --csv prints all of them.")


def _cell(value: Any) -> str:
    from octavo.cli.escaping import escape_line

    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.6g}" if isinstance(value, float) else escape_line(str(value))
