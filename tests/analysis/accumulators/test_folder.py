"""Counts go to the disk and come back; what is damaged is refused in one line that names the file."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents, load, save
from octavo.analysis.accumulators.folder import load_shard, numbers_of
from octavo.analysis.chunk import Phase
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, chunk_of, manifest_of, uniform

DOCUMENTS = [uniform(30, num_layers=2, seed=seed, domain=name, name=name) for seed, name in enumerate(("a", "ü/.."))]
MANIFEST = replace(manifest_of(DOCUMENTS), vocab_size=100)


def counted() -> Accumulators:
    return Accumulators.over(MemoryTrace(DOCUMENTS, MANIFEST), contents=Contents(lags=(1, 3), replicates=5))


def test_counts_come_back_as_they_were(tmp_path: Path) -> None:
    counts = counted()
    save(counts, tmp_path)
    found = load(tmp_path)
    assert TraceManifest.read(tmp_path).statistics_only
    assert found.parts == counts.parts
    assert found.documents["a"] == counts.documents["a"]
    assert (found.contents, found.selection) == (counts.contents, counts.selection)
    for domain, tables in counts.tables.items():
        assert {name: table.tolist() for name, table in tables.items()} == {
            name: table.tolist() for name, table in found.tables[domain].items()
        }


def test_counting_goes_on_where_it_stopped(tmp_path: Path) -> None:
    whole, half = counted(), Accumulators(manifest=MANIFEST, contents=Contents(lags=(1, 3), replicates=5))
    half.add(chunk_of(DOCUMENTS[:1], MANIFEST))
    save(half, tmp_path)
    resumed = load(tmp_path)
    with pytest.raises(TraceError, match="was counted before"):
        resumed.add(chunk_of(DOCUMENTS[:1], MANIFEST))
    resumed.add(chunk_of(DOCUMENTS[1:], MANIFEST, numbers=[1]))
    assert len(resumed.parts) == 2
    assert (resumed.table("rank", resumed.domains) == whole.table("rank", whole.domains)).all()
    save(resumed, tmp_path)
    assert load(tmp_path).num_tokens == 60


def test_a_shard_read_twice_is_noticed(tmp_path: Path) -> None:
    save(counted(), tmp_path)
    counts = load(tmp_path)
    with pytest.raises(TraceError, match="added before"):
        counts.merge(load(tmp_path))


def test_what_counts_comes_back(tmp_path: Path) -> None:
    selection = Selection(bos=True, phase=Phase.PROMPT, layers=(1,), domains=("a",))
    save(Accumulators.over(MemoryTrace(DOCUMENTS, MANIFEST), selection=selection), tmp_path)
    assert load(tmp_path).selection == selection


def test_no_counts_are_said_to_be_missing(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"has no manifest\.json"):
        load(tmp_path)
    MANIFEST.write(tmp_path)
    with pytest.raises(TraceError, match=r"stats has no counts: want those that 'octavo trace --stats-only' writes"):
        load(tmp_path)


@pytest.mark.parametrize("keep", [0, 10, 500, -20])
def test_a_cut_file_is_refused(tmp_path: Path, keep: int) -> None:
    save(counted(), tmp_path)
    path = tmp_path / "stats" / "counts-00000.npz"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(TraceError, match=r"counts-00000\.npz cannot be read .*: count the texts anew"):
        load(tmp_path)


def test_a_foreign_archive_and_an_object_array_are_refused(tmp_path: Path) -> None:
    save(counted(), tmp_path)
    path = tmp_path / "stats" / "counts-00000.npz"
    np.savez(path, x=np.zeros(3))
    with pytest.raises(TraceError, match="cannot be read"):
        load(tmp_path)
    np.savez(path, about=np.array([{}], object))
    with pytest.raises(TraceError, match="cannot be read"):
        load(tmp_path)


def test_a_table_of_another_shape_is_refused(tmp_path: Path) -> None:
    counts = counted()
    counts.tables["a"]["rank"] = np.zeros((2, 2, 7), np.int64)
    save(counts, tmp_path)
    with pytest.raises(TraceError, match="table 'rank' has shape"):
        load(tmp_path)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="wants a device that is always full")
def test_a_full_disk_is_one_error_and_keeps_what_was_there(tmp_path: Path) -> None:
    counts = counted()
    save(counts, tmp_path)
    fresh = tmp_path / "stats" / ".counts-00000.npz.new"
    fresh.symlink_to("/dev/full")
    with pytest.raises(TraceError, match=r"counts-00000\.npz cannot be written \(No space left on device\)"):
        save(counts, tmp_path)
    assert load(tmp_path).num_tokens == 60


def test_counts_of_several_processes_are_read_as_one(tmp_path: Path) -> None:
    whole = counted()
    for rank, document in enumerate(DOCUMENTS):
        part = Accumulators(manifest=MANIFEST, contents=Contents(lags=(1, 3), replicates=5))
        part.add(chunk_of([document], MANIFEST, numbers=[rank]))
        save(part, tmp_path, rank=rank)
    found = load(tmp_path)
    assert numbers_of(tmp_path) == {"": set(), "a": {0}, "ü/..": {1}}
    assert all(
        (found.table(name, found.domains) == whole.table(name, whole.domains)).all() for name in whole.tables["a"]
    )
    assert (found.table("vocabulary") == whole.table("vocabulary")).all()
    save(load_shard(tmp_path, 1), tmp_path, rank=7)
    with pytest.raises(TraceError, match=r"counts-00007\.npz: counts that were added before"):
        load(tmp_path)
