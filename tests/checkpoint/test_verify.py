"""Verifying: everything that differs is told, against the manifest or the Hub cache, and what was not compared too."""

from pathlib import Path

import pytest

from octavo.checkpoint import Dialect, convert, open_folder, verify_folder
from octavo.checkpoint.manifest import MANIFEST_NAME
from octavo.checkpoint.verify import check_digests
from octavo.errors import CheckpointError
from tests.checkpoint.test_digest import flip_last_bit, in_the_hub_cache


def test_a_whole_folder_is_whole(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    found = verify_folder(folder, progress=lambda name, done, total: told.append((name, done, total)))
    assert (found.ok, found.against, found.tensors, found.files) == (True, "manifest", len(found.folder.tensors), 1)
    assert told[-1][0] == "model.safetensors" and told[-1][1] == told[-1][2]


def test_every_tensor_and_file_that_differs_is_named(folder: Path, tmp_path: Path) -> None:
    convert(folder, tmp_path / "sharded", dialect=Dialect.HF, max_shard_bytes=40_000)
    shards = sorted((tmp_path / "sharded").glob("*.safetensors"))
    for shard in shards:
        flip_last_bit(shard)
    config = tmp_path / "sharded" / "config.json"
    config.write_text(config.read_text() + "\n")
    found = verify_folder(tmp_path / "sharded")
    assert not found.ok and len(found.failures) == len(shards) + 1
    for name in (*(shard.name for shard in shards), "config.json"):
        assert sum(name in failure for failure in found.failures) == 1
    with pytest.raises(CheckpointError, match=r"model-00001-of-\d+\.safetensors: tensor"):
        check_digests(open_folder(tmp_path / "sharded"))


def test_a_file_that_is_gone_or_changed_is_named(folder: Path, tmp_path: Path) -> None:
    (folder / "tokenizer.json").write_text("{}")
    convert(folder, tmp_path / "out", dialect=Dialect.HF)
    (tmp_path / "out" / "tokenizer.json").unlink()
    assert [Path(failure.split(":")[0]).name for failure in verify_folder(tmp_path / "out").failures] == [
        "tokenizer.json"
    ]


def test_a_snapshot_of_the_hub_is_compared_with_its_blobs(folder: Path, tmp_path: Path) -> None:
    import hashlib

    snapshot = in_the_hub_cache(folder, tmp_path / "cache")
    content = (folder / "config.json").read_bytes()
    blob = hashlib.sha1(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()
    (snapshot / "config.json").resolve().rename(tmp_path / "cache" / "models--org--name" / "blobs" / blob)
    (snapshot / "config.json").unlink()
    (snapshot / "config.json").symlink_to(Path("../../blobs") / blob)
    found = verify_folder(snapshot)
    assert (found.ok, found.against, found.tensors, found.files) == (True, "hub", 0, 2)
    flip_last_bit((snapshot / "model.safetensors").resolve())
    (snapshot / "config.json").resolve().write_bytes(content + b"\n")
    assert sorted(Path(failure.split(":")[0]).name for failure in verify_folder(snapshot).failures) == [
        "config.json",
        "model.safetensors",
    ]


def test_a_folder_without_checksums_says_so(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()
    flip_last_bit(folder / "model.safetensors")
    found = verify_folder(folder)
    assert (found.ok, found.against, found.tensors, found.files) == (True, None, 0, 0)
    check_digests(open_folder(folder))
