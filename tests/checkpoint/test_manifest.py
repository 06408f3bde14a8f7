"""The manifest: what it records, what it notices, and that it notices its own damage."""

import hashlib
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from octavo.checkpoint import load_model, open_folder, save_model
from octavo.checkpoint.manifest import MANIFEST_NAME, file_sha256, read_manifest, tensor_bytes, tensor_sha256
from octavo.errors import CheckpointError


def rewritten(folder: Path, **changes: object) -> None:
    """The manifest with other entries and a seal that fits."""
    body = json.loads((folder / MANIFEST_NAME).read_text())
    del body["sha256"]
    body |= changes
    text = json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    (folder / MANIFEST_NAME).write_text(json.dumps({**body, "sha256": hashlib.sha256(text).hexdigest()}))


def test_every_tensor_and_every_file_is_recorded(folder: Path) -> None:
    manifest = read_manifest(folder)
    assert manifest is not None
    tensors = load_file(folder / "model.safetensors")
    assert {name: (each.dtype, each.shape) for name, each in manifest.tensors.items()} == {
        name: ("F32", tuple(tensor.shape)) for name, tensor in tensors.items()
    }
    for name, tensor in tensors.items():
        assert manifest.tensors[name].sha256 == hashlib.sha256(tensor.numpy().tobytes()).hexdigest()
    files = {path.name for path in folder.iterdir()} - {MANIFEST_NAME}
    assert set(manifest.files) == files
    assert manifest.files["config.json"].sha256 == file_sha256(folder / "config.json")


def test_digests_are_of_rows_as_they_are_stored() -> None:
    tensor = torch.arange(6, dtype=torch.bfloat16).reshape(2, 3)
    assert bytes(tensor_bytes(tensor.T)) == bytes(tensor_bytes(tensor.T.contiguous()))
    assert tensor_sha256(tensor.T) != tensor_sha256(tensor)


def test_a_folder_without_one_has_none(folder: Path) -> None:
    (folder / MANIFEST_NAME).unlink()
    assert read_manifest(folder) is None
    assert load_model(folder)


def test_a_change_of_the_arithmetic_is_noticed_but_not_of_a_wish(folder: Path) -> None:
    settings = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**settings, "max_position_embeddings": 99, "pad_token_id": 0}))
    assert open_folder(folder).config.context_length == 99
    (folder / "config.json").write_text(json.dumps({**settings, "num_experts_per_tok": 1}))
    with pytest.raises(CheckpointError, match=r"written for num_experts_per_tok 2, found 1: .* delete octavo-manifest"):
        open_folder(folder)


def test_damage_and_later_formats_are_refused(folder: Path) -> None:
    whole = (folder / MANIFEST_NAME).read_text()
    (folder / MANIFEST_NAME).write_text(whole.replace("block_sparse", "block_parse"))
    with pytest.raises(CheckpointError, match=r"octavo-manifest\.json: does not have the SHA-256 that it says"):
        open_folder(folder)
    (folder / MANIFEST_NAME).write_text(whole)
    rewritten(folder, format=2)
    with pytest.raises(CheckpointError, match=r"format 2, want 1: use a later Octavo"):
        open_folder(folder)


@pytest.mark.parametrize("field", ["tensors", "files"])
@pytest.mark.parametrize("value", [None, [], {"a": 1}, {"a": {}}, 7])
def test_nonsense_with_a_seal_that_fits_is_refused(folder: Path, field: str, value: object) -> None:
    rewritten(folder, **{field: value})
    with pytest.raises(CheckpointError, match="octavo-manifest"):
        load_model(folder)


def test_what_it_lacks_and_what_it_has_too_much_is_named(folder: Path) -> None:
    body = json.loads((folder / MANIFEST_NAME).read_text())
    tensors = dict(body["tensors"])
    lost = tensors.pop("lm_head.weight")
    rewritten(folder, tensors=tensors)
    with pytest.raises(
        CheckpointError, match=r"model\.safetensors: tensor 'lm_head\.weight' is not in octavo-manifest"
    ):
        open_folder(folder)
    rewritten(folder, tensors={**tensors, "lm_head.weight": lost, "more": lost})
    with pytest.raises(CheckpointError, match="tensor 'more' is in no weight file"):
        open_folder(folder)


def test_it_can_be_left_out(folder: Path, tmp_path: Path) -> None:
    save_model(load_model(folder), tmp_path / "out", manifest=False)
    assert not (tmp_path / "out" / MANIFEST_NAME).exists()
