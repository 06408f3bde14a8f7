"""At any moment what is on the disk is a whole trace: after a kill, on a full disk, with several processes at work."""

import errno
import json
import os
import subprocess
import sys
from dataclasses import replace
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter
from octavo.errors import TraceError
from tests.analysis.store.traces import joined, parts_of, read_everything, some_documents, written
from tests.analysis.synthetic import constant, manifest_of

ROOT = Path(__file__).parents[3]


def test_rows_are_on_the_disk_as_soon_as_they_are_flushed(tmp_path: Path) -> None:
    documents = some_documents(3)
    with TraceWriter(tmp_path / "x.route", manifest_of(documents)) as writer:
        for number, each in enumerate(documents):
            writer.add(each)
            writer.flush()
            trace = RouteTrace.open(tmp_path / "x.route")
            assert len(trace.documents()) == number + 1
            assert not trace.complete
        assert len(parts_of(tmp_path / "x.route")) == 2  # a domain's newest part grows until it is a row group
    assert RouteTrace.open(tmp_path / "x.route").complete


def test_rows_wait_no_longer_than_was_asked(tmp_path: Path) -> None:
    documents = some_documents(2)
    writer = TraceWriter(tmp_path / "x.route", manifest_of(documents), flush_seconds=0)
    writer.add(documents[0])
    assert RouteTrace.open(tmp_path / "x.route").num_tokens == 50
    writer.close()
    writer.close()  # once more does no harm


def test_no_part_is_longer_than_a_row_group_and_no_document_is_split(tmp_path: Path) -> None:
    documents = [constant(size, name=f"n{size}") for size in (40, 50, 30, 500, 60)]
    trace = RouteTrace.open(written(tmp_path / "x.route", documents, part_tokens=100))
    assert [[each.num_tokens for each in part.documents] for part in trace.parts] == [[40, 50], [30], [500], [60]]


def test_many_small_domains_are_not_all_held_in_memory(tmp_path: Path) -> None:
    documents = [constant(10, domain=f"d{number}") for number in range(100)]
    writer = TraceWriter(tmp_path / "x.route", manifest_of(documents), part_tokens=20)
    for each in documents:
        writer.add(each)
        assert sum(tail.num_tokens for tail in writer._tails.values()) <= 8 * 20
    writer.close()
    assert RouteTrace.open(tmp_path / "x.route").num_tokens == 1000


def test_a_run_goes_on_where_it_ended_and_counts_no_document_twice(tmp_path: Path) -> None:
    documents = some_documents()
    folder = written(tmp_path / "x.route", documents[:4])
    with TraceWriter(folder, manifest_of(documents)) as writer:
        assert writer.done == {(each.domain, each.name) for each in documents[:4]}
        assert writer.has("news", "n0") and not writer.has("news", "n1")
        with pytest.raises(TraceError, match=r"document 'n0' of domain 'news' is in .*x\.route already"):
            writer.add(documents[0])
        assert not (folder / "documents-00000.parquet").exists()  # the list would not be complete
        for each in documents[4:]:
            writer.add(each)
    trace = RouteTrace.open(folder)
    assert [each.name for each in trace.documents()] == [each.name for each in documents]
    whole = RouteTrace.open(written(tmp_path / "y.route", documents))
    assert np.array_equal(joined(list(trace.chunks()), "code_LT", 1), joined(list(whole.chunks()), "code_LT", 1))


def test_a_run_with_another_manifest_is_refused_by_field(tmp_path: Path) -> None:
    documents = some_documents(2)
    folder = written(tmp_path / "x.route", documents)
    with pytest.raises(TraceError, match="contradicts this run: bos is 'never' and 'unknown'"):
        TraceWriter(folder, manifest_of(documents, bos="never"))


def test_a_folder_with_other_files_is_not_written_into(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(TraceError, match="holds other files and is no trace"):
        TraceWriter(tmp_path, manifest_of([constant(1)]))
    with pytest.raises(TraceError, match=r"thesis\.tex cannot be made \(.*File exists"):
        TraceWriter(tmp_path / "thesis.tex", manifest_of([constant(1)]))
    assert [each.name for each in tmp_path.iterdir()] == ["thesis.tex"]


def test_two_processes_do_not_write_under_one_rank(tmp_path: Path) -> None:
    with (
        TraceWriter(tmp_path / "x.route", manifest_of([constant(1)])),
        pytest.raises(TraceError, match=r"another process is writing .* as rank 0"),
    ):
        TraceWriter(tmp_path / "x.route", manifest_of([constant(1)]))
    with pytest.raises(TraceError, match="rank 2 of 2 processes: want one from 0 to 1"):
        TraceWriter(tmp_path / "x.route", manifest_of([constant(1)]), rank=2, num_ranks=2)


def write_share(folder: Path, documents: list[DocumentRoutes], rank: int, num_ranks: int) -> None:
    with TraceWriter(folder, manifest_of(documents), rank=rank, num_ranks=num_ranks, part_tokens=60) as writer:
        for each in documents[rank::num_ranks]:
            if not writer.has(each.domain, each.name):
                writer.add(each)


@pytest.mark.parametrize("numbered", [True, False])
def test_several_processes_write_one_trace(tmp_path: Path, numbered: bool) -> None:
    documents = [replace(each, document=place if numbered else None) for place, each in enumerate(some_documents(12))]
    workers = [
        get_context("spawn").Process(target=write_share, args=(tmp_path / "x.route", documents, rank, 3))
        for rank in range(3)
    ]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert [worker.exitcode for worker in workers] == [0, 0, 0]
    trace = RouteTrace.open(tmp_path / "x.route")
    assert trace.complete
    assert {part.rank for part in trace.parts} == {0, 1, 2}
    found = {each.name: each.document for each in trace.documents()}
    assert sorted(found) == sorted(each.name for each in documents)
    assert len(set(found.values())) == 12
    if numbered:
        whole = RouteTrace.open(written(tmp_path / "whole.route", documents))
        assert trace.documents() == whole.documents()
    for chunk in trace.chunks():
        for place, number in enumerate(chunk.document_S.tolist()):
            given = next(each for each in documents if found[each.name] == number)
            rows = slice(*chunk.start_S1[place : place + 2])
            assert np.array_equal(chunk.expert_LTK[:, rows].swapaxes(0, 1), given.expert_TLK)


def test_a_run_goes_on_with_another_number_of_processes(tmp_path: Path) -> None:
    documents = some_documents(12)
    write_share(tmp_path / "x.route", documents[:5], 1, 3)
    for rank in range(2):
        write_share(tmp_path / "x.route", documents, rank, 2)
    trace = RouteTrace.open(tmp_path / "x.route")
    assert len(trace.documents()) == 12 == len({each.document for each in trace.documents()})


def test_two_documents_cannot_have_one_number(tmp_path: Path) -> None:
    first, second = (replace(each, document=7) for each in some_documents(2))
    with TraceWriter(tmp_path / "x.route", manifest_of([first])) as writer:
        writer.add(first)
        with pytest.raises(TraceError, match="document 'n1' of domain 'a/b' has the number 7, which is taken"):
            writer.add(second)


def test_killed_again_and_again_it_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    command = [sys.executable, str(Path(__file__).with_name("killing.py")), str(tmp_path), "14", "5"]
    done = subprocess.run(
        command, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(trials) == 14
    assert sum(trial["killed"] for trial in trials) > 7
    assert all(trial["read"] == 0 for trial in trials)


LIMITED = """
import resource, sys
from pathlib import Path
from octavo.errors import TraceError
from octavo.analysis.store import TraceWriter
from tests.analysis.store.traces import some_documents
from tests.analysis.synthetic import manifest_of
documents = some_documents(40, num_tokens=400)
with TraceWriter(Path(sys.argv[1]), manifest_of(documents)) as writer:
    for number, each in enumerate(documents[:10]):
        writer.add(each)
    writer.flush()
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, 20_000))
    for each in documents[10:]:
        writer.add(each)
"""


def test_a_file_that_may_not_grow_is_one_error_and_earlier_rows_stay(tmp_path: Path) -> None:
    folder = tmp_path / "x.route"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", LIMITED, str(folder)], env=environment, capture_output=True, text=True, check=False
    )
    last = done.stderr.strip().splitlines()[-1]
    assert "octavo.errors.TraceError" in last
    assert "File too large): 4045 tokens written before are safe; make room" in last
    assert len(RouteTrace.open(folder).documents()) == 10
    read_everything(folder)
    assert not [path for path in folder.rglob("*") if path.suffix == ".new"]


@pytest.mark.parametrize("failing", ["add", "flush", "close", "index"])
def test_a_full_disk_is_one_error_and_the_run_goes_on_once_there_is_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str
) -> None:
    documents = some_documents(4)
    whole, full = os.fsync, False

    def fsync(handle: int) -> None:
        name = os.readlink(f"/proc/self/fd/{handle}")
        if full and (failing != "index" or "documents-" in name):
            raise OSError(errno.ENOSPC, "No space left on device")
        whole(handle)

    monkeypatch.setattr(os, "fsync", fsync)
    options: dict[str, Any] = {"flush_seconds": 0} if failing == "add" else {}
    writer = TraceWriter(tmp_path / "x.route", manifest_of(documents), **options)
    for each in documents[:3]:
        writer.add(each)
    writer.flush()
    full = True
    with pytest.raises(
        TraceError, match=r"cannot be written \(.*No space left on device\): \d+ tokens .* safe; make room"
    ):
        writer.add(documents[3])
        writer.flush() if failing == "flush" else writer.close()
    assert len(RouteTrace.open(tmp_path / "x.route").documents()) == (4 if failing == "index" else 3)
    full = False
    writer._claim.release()
    with TraceWriter(tmp_path / "x.route", manifest_of(documents)) as again:
        for each in documents:
            if not again.has(each.domain, each.name):
                again.add(each)
    assert [each.name for each in RouteTrace.open(tmp_path / "x.route").documents()] == ["n0", "n1", "n2", "n3"]


def test_an_error_of_the_caller_leaves_what_was_added_and_is_the_one_that_is_told(tmp_path: Path) -> None:
    documents = some_documents(2)
    with (
        pytest.raises(ZeroDivisionError),
        TraceWriter(tmp_path / "x.route", manifest_of(documents)) as writer,
    ):
        writer.add(documents[0])
        _ = 1 / 0
    trace = RouteTrace.open(tmp_path / "x.route")
    assert [each.name for each in trace.documents()] == ["n0"]
    assert not trace.complete
