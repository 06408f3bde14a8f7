"""Documents are counted as they come, once, by one process or by several, and a run that stopped goes on."""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents, CountsWriter, load, writer
from octavo.analysis.accumulators.writer import chunk_of
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import DocumentRoutes, RouteTrace
from octavo.errors import TraceError
from tests.analysis import synthetic

DOCUMENTS = [
    replace(
        synthetic.uniform(30, num_layers=2, domain="ab"[number % 2], name=str(number), seed=number), document=number
    )
    for number in range(9)
]
MANIFEST = replace(synthetic.manifest_of(DOCUMENTS), vocab_size=100)
WHOLE = Accumulators.over(synthetic.MemoryTrace(DOCUMENTS, MANIFEST), contents=Contents())


def same(found: Accumulators) -> bool:
    return found.domains == WHOLE.domains and all(
        (found.tables[domain][name] == table).all()
        for domain, tables in WHOLE.tables.items()
        for name, table in tables.items()
    )


def count(folder: Path, documents: list[DocumentRoutes], **options: Any) -> None:
    with CountsWriter(folder, MANIFEST, **options) as into:
        for document in documents:
            into.add(document)


@pytest.mark.parametrize("chunk", [1, 50, 10**6])
def test_documents_are_counted_whatever_the_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    monkeypatch.setattr(writer, "CHUNK", chunk)
    count(tmp_path / "run.route", DOCUMENTS)
    assert same(load(tmp_path / "run.route"))
    assert TraceManifest.read(tmp_path / "run.route").statistics_only
    with pytest.raises(TraceError, match="keeps statistics only"):
        RouteTrace.open(tmp_path / "run.route")


def test_several_processes_count_what_one_would(tmp_path: Path) -> None:
    for rank in range(3):
        count(tmp_path, DOCUMENTS[rank::3], rank=rank)
    assert same(load(tmp_path))


def test_a_run_that_stopped_goes_on_and_counts_nothing_twice(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), CountsWriter(tmp_path, MANIFEST) as into:
        for document in DOCUMENTS[:4]:
            into.add(document)
        raise KeyboardInterrupt
    # The next run may have other ranks.
    with CountsWriter(tmp_path, MANIFEST, rank=1) as into:
        assert [into.has(each.domain, number) for number, each in enumerate(DOCUMENTS)] == [True] * 4 + [False] * 5
        with pytest.raises(TraceError, match="was counted before"):
            into.add(DOCUMENTS[2])
        for document in DOCUMENTS[4:]:
            into.add(document)
    assert same(load(tmp_path))


def test_counts_are_on_the_disk_before_the_end(tmp_path: Path) -> None:
    with CountsWriter(tmp_path, MANIFEST, flush_seconds=0.0) as into:
        into.add(DOCUMENTS[0])
        assert load(tmp_path).num_tokens == 30


def test_two_processes_of_one_rank_are_one_too_many(tmp_path: Path) -> None:
    with CountsWriter(tmp_path, MANIFEST), pytest.raises(TraceError, match="another process is writing"):
        CountsWriter(tmp_path, MANIFEST)


def test_another_run_or_other_contents_are_refused(tmp_path: Path) -> None:
    count(tmp_path, DOCUMENTS[:1])
    with pytest.raises(TraceError, match="contradicts this run"):
        CountsWriter(tmp_path, replace(MANIFEST, context=5))
    with pytest.raises(TraceError, match="was begun with contents"):
        CountsWriter(tmp_path, MANIFEST, contents=Contents(replicates=3))
    count(tmp_path, DOCUMENTS[1:2])
    assert load(tmp_path).num_tokens == 60


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"document": None}, "has no number"),
        ({"expert_TLK": np.full((30, 2, 2), 8)}, "an expert of number 8: want from 0 to 7"),
        ({"expert_TLK": np.zeros((30, 3, 2), int)}, r"want \[tokens, 2, 2\]"),
        ({"token_T": None}, "token_T is not in all of them"),
    ],
)
def test_a_document_that_cannot_be_is_refused(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(TraceError, match=message), CountsWriter(tmp_path, MANIFEST, flush_seconds=0.0) as into:
        into.add(replace(DOCUMENTS[0], **change))


def test_chunks_are_those_that_a_trace_would_give() -> None:
    mine, wanted = (
        chunk_of(DOCUMENTS[::2], MANIFEST),
        synthetic.chunk_of(DOCUMENTS[::2], MANIFEST, numbers=range(0, 9, 2)),
    )
    for name in ("document_S", "start_S1", "position_T", "flag_T", "expert_LTK", "code_LT", "token_T"):
        assert (getattr(mine, name) == getattr(wanted, name)).all(), name


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="wants a device that is always full")
def test_a_full_disk_is_one_error_and_the_run_goes_on_from_before(tmp_path: Path) -> None:
    count(tmp_path, DOCUMENTS[:2])
    full = tmp_path / "stats" / ".counts-00000.npz.new"
    with pytest.raises(TraceError, match="No space left on device"), CountsWriter(tmp_path, MANIFEST) as into:
        into.add(DOCUMENTS[2])
        full.symlink_to("/dev/full")
    assert load(tmp_path).num_tokens == 60
    full.unlink(missing_ok=True)
    count(tmp_path, DOCUMENTS[2:])
    assert same(load(tmp_path))
