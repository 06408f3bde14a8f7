"""Which files hold the weights: plain names in the folder, or the Hub cache's own links, and nothing else."""

import json
from pathlib import Path

import pytest

from octavo.checkpoint.files import hub_blob, hub_sha256, pickled_files, weight_files
from octavo.errors import CheckpointError

SHA256 = "0123456789abcdef" * 4


def hub_file(cache: Path, name: str, blob: str, content: bytes = b"x") -> Path:
    """A file of a snapshot as the Hub cache lays it out, and the folder of that snapshot."""
    repository = cache / "models--org--name"
    snapshot = repository / "snapshots" / ("c" * 40)
    snapshot.mkdir(parents=True, exist_ok=True)
    (repository / "blobs").mkdir(exist_ok=True)
    (repository / "blobs" / blob).write_bytes(content)
    (snapshot / name).symlink_to(Path("../../blobs") / blob)
    return snapshot / name


def test_links_of_the_hub_cache_are_followed_and_their_names_are_checksums(tmp_path: Path) -> None:
    file = hub_file(tmp_path, "model.safetensors", SHA256)
    assert weight_files(file.parent, native=False) == ((file,), None)
    assert hub_sha256(file) == hub_blob(file) == SHA256
    small = hub_file(tmp_path, "config.json", "a" * 40)
    assert (hub_blob(small), hub_sha256(small)) == ("a" * 40, None)


def test_a_blob_that_is_a_link_into_the_shared_store_keeps_its_own_name(tmp_path: Path) -> None:
    file = hub_file(tmp_path, "model.safetensors", SHA256)
    other = "f" * 64
    store = tmp_path / "blobs" / other[:2] / other
    store.parent.mkdir(parents=True)
    file.resolve().rename(store)
    (tmp_path / "models--org--name" / "blobs" / SHA256).symlink_to(Path("../../blobs") / other[:2] / other)
    assert weight_files(file.parent, native=False)[0] == (file,)
    assert hub_sha256(file) == SHA256


def test_a_plain_file_and_a_strange_link_have_no_checksum(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").write_bytes(b"x")
    (tmp_path / SHA256).write_bytes(b"x")
    (tmp_path / "link").symlink_to(SHA256)
    assert hub_sha256(tmp_path / "model.safetensors") is None
    assert hub_sha256(tmp_path / "link") is None


def test_a_snapshot_may_not_link_out_of_its_cache(tmp_path: Path) -> None:
    file = hub_file(tmp_path / "cache", "model.safetensors", SHA256)
    file.unlink()
    (tmp_path / "secret").write_bytes(b"x")
    file.symlink_to(tmp_path / "secret")
    with pytest.raises(CheckpointError, match="outside of the folder"):
        weight_files(file.parent, native=False)


@pytest.mark.parametrize(
    "name", ["../x.safetensors", "/etc/x.safetensors", "a/b.safetensors", "x\0.safetensors", "x" * 300]
)
def test_an_index_may_name_files_of_its_folder_only(tmp_path: Path, name: str) -> None:
    mapped = {"weight_map": {"a": name if name.endswith("s") else name + ".safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(mapped))
    with pytest.raises(CheckpointError, match="want the plain name of a file"):
        weight_files(tmp_path, native=False)


def test_what_is_missing_is_said_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors: not a model folder"):
        weight_files(tmp_path, native=False)
    (tmp_path / "model-00001-of-00002.safetensors").touch()
    with pytest.raises(CheckpointError, match=r"but no model\.safetensors\.index\.json: fetch the index too"):
        weight_files(tmp_path, native=False)
    (tmp_path / "consolidated.00.pth").touch()
    with pytest.raises(CheckpointError, match="is a pickle, which is not loaded: run octavo convert --allow-pickle"):
        weight_files(tmp_path, native=True)


def test_an_index_beside_a_whole_file_is_a_contradiction(tmp_path: Path) -> None:
    (tmp_path / "model.safetensors").touch()
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    with pytest.raises(CheckpointError, match=r"has both model\.safetensors and model\.safetensors\.index\.json"):
        weight_files(tmp_path, native=False)


def test_pickled_files_are_those_of_the_publisher_in_order(tmp_path: Path) -> None:
    for name in ("consolidated.01.pt", "consolidated.00.pt", "consolidated.pt", "consolidated.00.bin", "other.pth"):
        (tmp_path / name).touch()
    assert [file.name for file in pickled_files(tmp_path)] == ["consolidated.00.pt", "consolidated.01.pt"]
