"""write_report writes one whole page, for one trace or several, or an error of one line."""

import json
import re
from pathlib import Path

import pytest

from octavo.analysis.report import Told, write_report
from octavo.analysis.statistics.intervals import Intervals
from octavo.errors import TraceError
from tests.analysis.report.traces import small_trace
from tests.analysis.synthetic import MemoryTrace, document

FEW = Intervals(replicates=20)


def held(path: Path) -> dict[str, object]:
    found = re.search(r'id="report">(.*?)</script>', path.read_text(encoding="utf-8"), re.DOTALL)
    assert found is not None
    read = json.loads(found[1])
    assert isinstance(read, dict)
    return read


def test_a_report_holds_its_runs_under_names_that_differ(tmp_path: Path) -> None:
    path = write_report([small_trace(), small_trace(seed=1)], tmp_path / "r.html", title="Two <runs>", intervals=FEW)
    report = held(path)
    assert (report["format"], report["version"], report["title"]) == ("octavo-report", 1, "Two <runs>")
    runs = report["runs"]
    assert isinstance(runs, list)
    assert [run["name"] for run in runs] == ["toy", "toy (2)"]
    assert "<title>Two &lt;runs&gt;</title>" in path.read_text(encoding="utf-8")
    assert [each.name for each in tmp_path.iterdir()] == ["r.html"]


def test_the_same_trace_gives_the_same_page_but_for_the_time(tmp_path: Path) -> None:
    one, two = (held(write_report(small_trace(), tmp_path / name, intervals=FEW)) for name in ("1.html", "2.html"))
    assert {**one, "made": ""} == {**two, "made": ""}


def test_no_trace_and_no_token_are_errors_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match="no trace to report on"):
        write_report([], tmp_path / "r.html")
    only_bos = MemoryTrace(given=[document([(0, 1)], flags=[3])])
    with pytest.raises(TraceError, match="trace has no token that counts"):
        write_report(only_bos, tmp_path / "r.html", intervals=FEW)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"r\.html cannot be written \(No such file or directory\): choose another"):
        write_report(small_trace(), tmp_path / "missing" / "r.html", intervals=FEW)


def test_a_name_for_the_run_can_be_given(tmp_path: Path) -> None:
    path = write_report(Told(name="mine", path="m.route", source=small_trace()), tmp_path / "r.html", intervals=FEW)
    runs = held(path)["runs"]
    assert isinstance(runs, list)
    assert (runs[0]["name"], runs[0]["path"]) == ("mine", "m.route")
