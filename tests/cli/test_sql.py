"""``octavo sql``: a table on a screen, CSV and JSON for programs, and one line for what goes wrong."""

import csv
import io
import json
from pathlib import Path

import pytest

from octavo.analysis.store import TraceWriter
from tests.analysis.synthetic import document, manifest_of
from tests.cli.conftest import Run


@pytest.fixture
def run_folder(tmp_path: Path) -> Path:
    documents = [document([(3, 5), (5, 3), (3, 6)], domain="\x1b[31mred", name="evil\r\nname", tokens=[7, 8, 300])]
    with TraceWriter(tmp_path / "run.route", manifest_of(documents)) as writer:
        writer.add(documents[0])
        writer.write_vocabulary([b""] * 7 + [b"seven", b"\xff", b"nine"], {7})
    return tmp_path / "run.route"


COUNTS = "select expert, count(*) as n, avg(rank) as mean from routes group by expert order by expert"


def test_a_table_is_shown(octavo: Run, run_folder: Path) -> None:
    done = octavo("sql", run_folder, COUNTS)
    assert done.exit_code == 0, done.stderr
    lines = [line.split() for line in done.stdout.splitlines()]
    assert lines[0] == ["expert", "n", "mean"]
    assert lines[2:] == [["3", "3", "0.333333"], ["5", "2", "0.5"], ["6", "1", "1"]]


def test_csv_and_json_hold_the_same(octavo: Run, run_folder: Path) -> None:
    rows = json.loads(octavo("sql", run_folder, COUNTS, "--json").stdout)
    assert rows == [
        {"expert": 3, "n": 3, "mean": 1 / 3},
        {"expert": 5, "n": 2, "mean": 0.5},
        {"expert": 6, "n": 1, "mean": 1},
    ]
    read = list(csv.DictReader(io.StringIO(octavo("sql", run_folder, COUNTS, "--csv").stdout)))
    assert [{name: float(value) for name, value in row.items()} for row in read] == rows


def test_every_kind_of_value_becomes_json(octavo: Run, run_folder: Path) -> None:
    query = (
        "select null as nothing, 'nan'::double as nan, [1, 2] as many, {'a': date '2024-01-02'} as named, "
        "1.5::decimal(3, 1) as exact, (select bytes from vocabulary where token_id = 8) as odd"
    )
    (row,) = json.loads(octavo("sql", run_folder, query, "--json").stdout)
    wanted = {"nothing": None, "nan": None, "many": [1, 2], "named": {"a": "2024-01-02"}, "exact": 1.5, "odd": "\\xff"}
    assert row == wanted


def test_no_text_of_a_trace_reaches_the_terminal_as_a_command(octavo: Run, run_folder: Path) -> None:
    shown = octavo("sql", run_folder, "select domain, name from documents").stdout
    assert "\x1b" not in shown
    assert "\r" not in shown
    assert "\\x1b[31mred" in shown


def test_a_long_answer_is_cut_and_says_so(octavo: Run, run_folder: Path) -> None:
    query = "select * from range(201)"
    assert octavo("sql", run_folder, query).stdout.endswith("The first 200 rows; --csv prints all of them.\n")
    assert len(octavo("sql", run_folder, query, "--csv").stdout.splitlines()) == 202


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["selec 1"], "the query failed: Parser Error"),
        (["select nothing from routes"], "'describe routes' say what there is"),
        (["drop view tokens"], "no SELECT"),
        (["select 1; select 2"], "2 statements"),
        ([""], "0 statements"),
        (["select 1", "--csv", "--json"], "want one of them"),
        (["select * from read_text('/etc/hostname')"], "Permission Error"),
    ],
)
def test_what_goes_wrong_is_one_line(octavo: Run, run_folder: Path, arguments: list[str], said: str) -> None:
    done = octavo("sql", run_folder, *arguments)
    assert done.exit_code == 2
    assert len(done.stderr.splitlines()) == 1
    assert said in done.stderr


def test_a_folder_that_is_no_trace_is_one_line(octavo: Run, tmp_path: Path) -> None:
    done = octavo("sql", tmp_path, "select 1")
    assert done.exit_code == 2
    assert done.stderr == f"octavo: {tmp_path} has no manifest.json: want a trace, as 'octavo trace' writes it\n"
