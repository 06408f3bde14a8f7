"""``octavo report``: one page for a trace, or for several, and one line for what cannot be done."""

import json
from pathlib import Path

import pytest

from octavo.analysis.accumulators import Accumulators, save
from octavo.analysis.store import TraceWriter
from tests.analysis.report.traces import small_trace
from tests.cli.conftest import Run


@pytest.fixture
def run(tmp_path: Path) -> Path:
    trace, folder = small_trace(), tmp_path / "run.route"
    with TraceWriter(folder, trace.manifest) as writer:
        for each in trace.given:
            writer.add(each)
    return folder


def test_a_page_is_written_and_its_size_told(octavo: Run, run: Path, tmp_path: Path) -> None:
    done = octavo("report", run, "-o", tmp_path / "r.html", "--replicates", 20)
    assert done.exit_code == 0, done.stderr
    assert done.stdout.startswith(f"{tmp_path / 'r.html'}: ")
    assert done.stdout.endswith(" kB; open it in a browser, it loads nothing\n")
    assert done.stderr == ""


def test_json_names_the_runs(octavo: Run, run: Path, tmp_path: Path) -> None:
    save(Accumulators.over(small_trace()), tmp_path / "counts.route")
    page = tmp_path / "r.html"
    done = octavo("report", run, tmp_path / "counts.route", "-o", page, "--title", "Both", "--replicates", 20, "--json")
    assert json.loads(done.stdout) == {
        "report": str(page),
        "bytes": page.stat().st_size,
        "runs": [
            {"run": str(run), "name": "run"},
            {"run": str(tmp_path / "counts.route"), "name": "counts"},
        ],
    }
    assert "<title>Both</title>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["{0}/nothing.route"], "has no manifest.json: want a trace, as 'octavo trace' writes it"),
        (["{0}/run.route", "-o", "{0}/missing/r.html"], "missing/r.html cannot be written"),
        (["{0}/run.route", "--replicates", "1"], "1 replicates: an interval wants 2 or more"),
        (["{0}/counts.route", "--bos"], "counts.route keeps counts only"),
    ],
)
def test_what_cannot_be_done_is_one_line(
    octavo: Run, run: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    save(Accumulators.over(small_trace()), tmp_path / "counts.route")
    done = octavo("report", *[each.format(tmp_path) for each in arguments])
    assert done.exit_code == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("report.html").exists()


def test_a_damaged_part_is_named(octavo: Run, run: Path, tmp_path: Path) -> None:
    part = next(run.glob("domain=code/*.parquet"))
    part.write_bytes(part.read_bytes()[:-20])
    done = octavo("report", run, "-o", tmp_path / "r.html")
    assert done.exit_code == 2
    assert part.name in done.stderr
    assert not (tmp_path / "r.html").exists()
