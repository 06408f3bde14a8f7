"""What is missing, foreign or out of place in a trace's folder is named when it is opened."""

import json
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from octavo.analysis.store.catalogue import FOOTER, scan
from octavo.errors import TraceError
from tests.analysis.store.traces import parts_of, some_documents, written

INDEX = "documents-00000.parquet"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Six documents in two domains, one document a part."""
    return written(tmp_path / "run.route", some_documents(), part_tokens=10)


def without_index(folder: Path) -> None:
    (folder / INDEX).unlink()


def test_the_footers_say_what_the_index_says(folder: Path) -> None:
    listed = scan(folder)
    without_index(folder)
    assert scan(folder) == listed
    assert [len(part.documents) for part in listed] == [1] * 6


def remove_last(folder: Path) -> None:
    parts_of(folder)[-1].unlink()


def remove_middle(folder: Path) -> None:
    without_index(folder)
    parts_of(folder)[1].unlink()


def empty_domain(folder: Path) -> None:
    (folder / "domain=empty").mkdir()


def foreign_name(folder: Path) -> None:
    (folder / "domain=news" / "rows.parquet").touch()


def foreign_table(folder: Path) -> None:
    without_index(folder)
    pq.write_table(pa.table({"x": [1]}), parts_of(folder)[-1])


def no_parquet(folder: Path) -> None:
    without_index(folder)
    parts_of(folder)[-1].write_text("no")


def unlisted(folder: Path) -> None:
    last = parts_of(folder)[-1]
    last.with_name("part-00000-000003.parquet").write_bytes(last.read_bytes())


def odd_footer(folder: Path) -> None:
    without_index(folder)
    last = parts_of(folder)[-1]
    table = pq.read_table(last, partitioning=None)
    pq.write_table(table.replace_schema_metadata({FOOTER: json.dumps({"domain": "news", "documents": [[1]]})}), last)


def other_domain(folder: Path) -> None:
    without_index(folder)
    (folder / "domain=news").rename(folder / "domain=olds")


def odd_index(folder: Path) -> None:
    pq.write_table(pa.table({"x": [1]}), folder / INDEX)


LAST = r"domain=news/part-00000-000002\.parquet"


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (remove_last, LAST + " is missing: copy the whole trace again"),
        (remove_middle, r"a%2Fb/part-00000-000001\.parquet is missing"),
        (empty_domain, "domain=empty is empty: copy its parts again"),
        (foreign_name, r"domain=news/rows\.parquet is not a part of this trace"),
        (foreign_table, LAST + " is a Parquet file of another kind"),
        (no_parquet, LAST + " is damaged"),
        (unlisted, r"part-00000-000003\.parquet is not in documents-00000\.parquet: move it away"),
        (odd_footer, LAST + " is damaged"),
        (
            other_domain,
            r"domain=olds/part-00000-000000\.parquet holds the domain 'news': want it in the folder domain=news",
        ),
        (odd_index, r"documents-00000\.parquet has the columns x int64, want doc_id uint32"),
    ],
)
def test_what_is_wrong_is_one_line_that_names_the_file(folder: Path, spoil: Callable[[Path], None], said: str) -> None:
    spoil(folder)
    with pytest.raises(TraceError, match=said) as caught:
        scan(folder)
    assert "\n" not in str(caught.value)


def test_hidden_files_of_an_operating_system_do_not_disturb(folder: Path) -> None:
    (folder / ".DS_Store").touch()
    (folder / "domain=news" / "._part-00000-000000.parquet").touch()
    assert len(scan(folder)) == 6


def test_an_empty_domain_is_no_loss_while_a_process_is_at_work(folder: Path) -> None:
    empty_domain(folder)
    (folder / ".writing-00001").touch()
    assert len(scan(folder)) == 6


def test_the_list_of_a_process_that_is_at_work_again_is_not_asked(folder: Path) -> None:
    unlisted(folder)
    (folder / ".writing-00000").touch()
    assert len(scan(folder)) == 7
