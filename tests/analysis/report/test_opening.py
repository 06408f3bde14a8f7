"""What a report is on is opened by its folder, with its rows or with counts alone."""

from pathlib import Path

import pytest

from octavo.analysis.accumulators import Accumulators, save
from octavo.analysis.report.opening import open_told, told
from octavo.analysis.store import RouteTrace, TraceWriter
from octavo.errors import TraceError
from tests.analysis.report.traces import PIECES, VOCABULARY, small_trace


@pytest.fixture
def written(tmp_path: Path) -> Path:
    trace, folder = small_trace(), tmp_path / "run.route"
    with TraceWriter(folder, trace.manifest) as writer:
        for each in trace.given:
            writer.add(each)
        writer.write_vocabulary([PIECES[token] for token in range(VOCABULARY)], {0})
    return folder


def test_a_trace_with_rows_knows_its_words_and_its_documents(written: Path) -> None:
    found = open_told(written)
    assert (found.name, found.path) == ("run", str(written))
    assert isinstance(found.source, RouteTrace)
    assert found.pieces[3] == b" w3"
    assert sorted(found.names.values())[0] == "code/0.txt"
    assert found.num_tokens == small_trace().num_tokens


def test_counts_alone_are_opened_as_counts(tmp_path: Path) -> None:
    save(Accumulators.over(small_trace()), tmp_path / "counts.route")
    found = open_told(tmp_path / "counts.route")
    assert found.name == "counts"
    assert isinstance(found.source, Accumulators)
    assert found.source.num_tokens == small_trace().num_tokens - 2 * 6


def test_a_trace_in_memory_goes_by_its_model() -> None:
    found = told(small_trace())
    assert (found.name, found.path, found.pieces) == ("toy", "RUN.route", PIECES)
    assert told(small_trace(), name="mine", path="a.route").name == "mine"


def test_what_is_no_trace_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"nothing\.route has no manifest\.json"):
        open_told(tmp_path / "nothing.route")
