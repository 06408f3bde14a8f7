"""A checkpoint is whole or it is not there, whatever happens while it is written."""

import json
import os
import resource
import signal

import pytest
import torch

from octavo.errors import CheckpointError
from octavo.training import snapshot
from octavo.training.snapshot import Snapshot, complete, read, write


def at(step):
    masters = {"norm.weight": torch.arange(64.0) * step}
    return Snapshot(step, masters, {"muon.0": torch.ones(3, 2), "random.cpu": torch.get_rng_state()}, {"place": [step]})


def test_what_is_written_is_read_back(tmp_path):
    path = write(tmp_path, at(12), keep=2)
    assert path.name == "step-00000012"
    found = read(path)
    assert (found.step, found.state) == (12, {"place": [12]})
    assert torch.equal(found.masters["norm.weight"], at(12).masters["norm.weight"])
    assert torch.equal(found.optimizer["random.cpu"], torch.get_rng_state())


def test_the_newest_are_kept(tmp_path):
    for step in (1, 2, 3, 10):
        write(tmp_path, at(step), keep=2)
    assert [path.name for path in complete(tmp_path)] == ["step-00000003", "step-00000010"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000003", "step-00000010"]


def test_a_folder_without_done_is_never_read_and_is_replaced(tmp_path):
    write(tmp_path, at(1), keep=2)
    torn = tmp_path / "step-00000002"
    torn.mkdir()
    (torn / "model.safetensors").write_bytes(b"half")
    assert [path.name for path in complete(tmp_path)] == ["step-00000001"]
    write(tmp_path, at(2), keep=2)
    assert read(torn).step == 2


@pytest.mark.parametrize("name", ["model.safetensors", "optimizer.safetensors", "state.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_checkpoint_is_named(tmp_path, name, damage):
    path = write(tmp_path, at(3), keep=2)
    content = bytearray((path / name).read_bytes())
    if damage == "remove":
        (path / name).unlink()
    else:
        content[len(content) // 2] ^= 1
        (path / name).write_bytes(content if damage == "flip" else content[:-1])
    with pytest.raises(CheckpointError) as caught:
        read(path)
    assert str(path / name) in str(caught.value)
    assert "to use an older one" in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[]", b"\xff"])
def test_a_done_that_lists_nothing_is_named(tmp_path, content):
    path = write(tmp_path, at(3), keep=2)
    (path / "DONE").write_bytes(content)
    with pytest.raises(CheckpointError, match="DONE"):
        read(path)


@pytest.fixture
def small_files():
    """No file may grow past 2,000 bytes: a disk that fills up, on any machine."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)
    signal.signal(signal.SIGXFSZ, handler)


def test_a_disk_that_fills_up_leaves_the_older_checkpoint_and_one_clear_error(tmp_path, small_files):
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    write(tmp_path, at(1), keep=1)
    resource.setrlimit(resource.RLIMIT_FSIZE, (2000, resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    with pytest.raises(CheckpointError) as caught:
        write(tmp_path, at(2), keep=1)
    assert "could not be written (File too large)" in str(caught.value)
    assert "the last complete one is step-00000001" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["step-00000001"]
    assert read(tmp_path / "step-00000001").step == 1


def test_done_is_written_after_everything_else_is_on_disk(tmp_path, monkeypatch):
    events = []
    sync, through = os.fsync, snapshot._write_through

    def watched(handle):
        events.append(os.path.basename(os.readlink(f"/proc/self/fd/{handle}")))
        sync(handle)

    monkeypatch.setattr(os, "fsync", watched)
    monkeypatch.setattr(snapshot, "_write_through", through)
    path = write(tmp_path, at(5), keep=1)
    assert events[-3:] == ["DONE.new", path.name, tmp_path.name]
    assert set(events[:3]) == {"model.safetensors", "optimizer.safetensors", "state.json"}
    listed = json.loads((path / "DONE").read_bytes())
    assert {name: size for name, (size, _) in listed.items()} == {name: (path / name).stat().st_size for name in listed}


def test_removing_takes_done_first(tmp_path, monkeypatch):
    path = write(tmp_path, at(5), keep=1)

    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr(snapshot.shutil, "rmtree", stop)
    with pytest.raises(KeyboardInterrupt):
        snapshot.remove(path)
    assert path.exists()
    assert complete(tmp_path) == []
