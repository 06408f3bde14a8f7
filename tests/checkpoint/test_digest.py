"""Checksums beside a reading: all are compared before anything is returned, and none when none is wanted."""

import threading
from pathlib import Path

import pytest

from octavo.checkpoint import load_model, open_folder
from octavo.checkpoint.digest import Digests, check_file
from octavo.checkpoint.manifest import MANIFEST_NAME, file_sha256
from octavo.checkpoint.read import SafetensorsFiles
from octavo.errors import CheckpointError
from tests.checkpoint.test_files import hub_file


def flip_last_bit(file: Path) -> None:
    raw = bytearray(file.read_bytes())
    raw[-1] ^= 1
    file.write_bytes(raw)


def in_the_hub_cache(folder: Path, cache: Path) -> Path:
    """The snapshot of a folder that was downloaded, without our manifest."""
    for name in ("config.json", "model.safetensors"):
        blob = file_sha256(folder / name) if name == "model.safetensors" else "a" * 40
        snapshot = hub_file(cache, name, blob, (folder / name).read_bytes()).parent
    return snapshot


def test_a_flipped_bit_is_found_by_the_manifest_unless_it_is_not_asked(folder: Path) -> None:
    flip_last_bit(folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"model\.safetensors: tensor 'lm_head\.weight' has SHA-256"):
        load_model(folder)
    assert load_model(folder, verify=False)


def test_a_flipped_bit_is_found_by_the_names_of_the_hub_cache(folder: Path, tmp_path: Path) -> None:
    snapshot = in_the_hub_cache(folder, tmp_path / "cache")
    assert load_model(snapshot)
    flip_last_bit((snapshot / "model.safetensors").resolve())
    with pytest.raises(CheckpointError, match=r"model\.safetensors: has SHA-256 .* the Hub cache says"):
        load_model(snapshot)
    assert load_model(snapshot, verify=False)


def test_without_any_checksum_nothing_is_compared(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()
    flip_last_bit(folder / "model.safetensors")
    assert load_model(folder)


def test_an_error_inside_leaves_no_thread_behind(folder: Path) -> None:
    before = threading.active_count()
    opened = open_folder(folder)
    with (
        pytest.raises(KeyboardInterrupt),
        SafetensorsFiles(opened.tensors) as weights,
        Digests(opened) as digests,
    ):
        digests.tensor("lm_head.weight", weights.read("lm_head.weight"))
        raise KeyboardInterrupt
    assert threading.active_count() == before


def test_every_failure_can_be_had(folder: Path) -> None:
    opened = open_folder(folder)
    with SafetensorsFiles(opened.tensors) as weights, Digests(opened) as digests:
        other = weights.read("model.norm.weight") + 1
        digests.tensor("model.norm.weight", other)
        digests.tensor("lm_head.weight", other)
        digests.tensor("lm_head.weight", weights.read("lm_head.weight"))
        assert len(digests.wait()) == 2


def test_a_file_that_is_gone_is_an_error_too(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="gone: cannot be read"):
        check_file(tmp_path / "gone", "0" * 64, "nobody")
