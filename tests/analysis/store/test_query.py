"""SQL sees what the reader sees, and nothing else on this machine."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.analysis.store import RouteTrace, query
from octavo.errors import TraceError
from tests.analysis.store.traces import some_documents, written
from tests.analysis.synthetic import constant, document


def ask(trace: RouteTrace, text: str) -> list[tuple[Any, ...]]:
    with query.asked(trace, text) as answer:
        return list(answer.rows)


@pytest.fixture
def trace(tmp_path: Path) -> RouteTrace:
    return RouteTrace.open(written(tmp_path / "run.route", some_documents(), part_tokens=60))


def test_columns_have_their_names(trace: RouteTrace) -> None:
    with query.asked(trace, "select domain, count(*) as n from tokens group by all order by all") as answer:
        assert answer.columns == ("domain", "n")
        assert list(answer.rows) == [("a/b", 159), ("news", 156)]


def test_documents_and_vocabulary_are_there(trace: RouteTrace) -> None:
    assert ask(trace, "select * from documents where doc_id = 1") == [(1, "a/b", "n1", "", 51)]
    assert ask(trace, "select * from vocabulary") == []
    assert ask(trace, "show tables") == [("documents",), ("routes",), ("tokens",), ("vocabulary",)]


def test_an_answer_of_any_length_is_fetched_as_it_is_asked_for(trace: RouteTrace) -> None:
    with query.asked(trace, "select * from range(100_000_000)") as answer:
        assert next(answer.rows) == (0,)


@pytest.mark.parametrize(
    "reach",
    [
        "select * from read_text('{file}')",
        "select * from read_csv('{file}')",
        "select * from '{file}'",
        "select * from read_blob('/proc/self/environ')",
        "select * from glob('{folder}/*')",
        "select * from read_parquet('{folder}/*/*.parquet')",
        "select * from sqlite_scan('{file}', 'x')",
        "select * from outside",
        "select getenv('HOME')",
    ],
)
def test_no_other_file_is_read(trace: RouteTrace, tmp_path: Path, reach: str) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("secret\n1\n")
    with pytest.raises(TraceError, match="the query failed") as caught:
        ask(trace, reach.format(file=outside, folder=tmp_path))
    assert "secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "change",
    [
        "copy (select 1) to '{part}'",
        "copy tokens to '{folder}/new.csv'",
        "export database '{folder}/out'",
        "attach '{folder}/x.db'",
        "create table x as select 1",
        "drop view tokens",
        "set enable_external_access = true",
        "set lock_configuration = false",
        "reset allowed_paths",
        "install httpfs",
        "load httpfs",
        "pragma database_list",
        "call pragma_version()",
        "explain analyze copy (select 1) to '{part}'",
        "select 1; copy (select 1) to '{part}'",
        "",
    ],
)
def test_nothing_is_changed(trace: RouteTrace, tmp_path: Path, change: str) -> None:
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    text = change.format(part=trace.parts[0].path.resolve(), folder=tmp_path)
    with pytest.raises(TraceError, match="no SELECT"):
        ask(trace, text)
    assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


def test_the_locks_hold_even_without_that_check(trace: RouteTrace, tmp_path: Path) -> None:
    import duckdb

    connection = query._opened(trace, tmp_path)
    for text in ("copy (select 1) to 'x.csv'", "set enable_external_access = true", "attach 'x.db'", "install httpfs"):
        with pytest.raises(duckdb.Error):
            connection.execute(text)
    connection.close()


def test_domains_with_any_name_are_themselves(tmp_path: Path) -> None:
    names = ["2024", "2024-01-02", "it's", "a/b", "=", "ä" * 300, "ä" * 301, "~", "NULL", "__HIVE_DEFAULT_PARTITION__"]
    given = [constant(1, domain=name) for name in names]
    trace = RouteTrace.open(written(tmp_path / "x.route", given))
    assert sorted(row[0] for row in ask(trace, "select domain from tokens")) == sorted(names)
    assert trace.domains == tuple(sorted(names))


def test_a_path_with_a_quote_is_a_path(tmp_path: Path) -> None:
    trace = RouteTrace.open(written(tmp_path / "it's [a] *.route", [constant(3)]))
    assert ask(trace, "select count(*) from routes") == [(6,)]


def test_documents_that_were_numbered_on_have_their_new_numbers(tmp_path: Path) -> None:
    documents = some_documents()
    shards = [written(tmp_path / f"{place}.route", documents[place * 3 : place * 3 + 3]) for place in range(2)]
    trace = RouteTrace.open(shards)
    found = ask(trace, "select doc_id, count(*) from tokens group by all order by all")
    assert found == [(each.document, each.num_tokens) for each in trace.documents()]


def test_table_5_agrees_with_the_rows(tmp_path: Path) -> None:
    given = [document([(3, 5), (3, 6), (6, 0), (1, 2)]), document([(1, 2)], name="b")]
    trace = RouteTrace.open(written(tmp_path / "x.route", given))
    found = ask(
        trace,
        "select avg((r0 // 8 = p // 8)::int), avg((r0 // 8 in (p // 8, p % 8) or r0 % 8 in (p // 8, p % 8))::int) "
        "from (select r0, lag(r0) over (partition by doc_id order by pos) as p from tokens) where p is not null",
    )
    assert np.allclose(found, [(1 / 3, 2 / 3)])
