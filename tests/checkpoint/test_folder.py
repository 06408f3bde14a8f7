"""Opening: what a folder is, and that headers and settings agree tensor by tensor."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from octavo.checkpoint import Dialect, load_model, open_folder, read_settings, save_model
from octavo.config import ModelConfig
from octavo.errors import CheckpointError, ConfigError


@pytest.fixture
def plain_folder(folder: Path) -> Path:
    """A folder without a manifest: only the settings tell what it must hold."""
    (folder / "octavo-manifest.json").unlink()
    return folder


def test_an_opened_folder_is_a_value_that_cannot_change(folder: Path, sparse: ModelConfig) -> None:
    opened = open_folder(str(folder))
    assert (opened.path, opened.dialect, opened.config, opened.dtype) == (folder, Dialect.HF, sparse, torch.float32)
    assert (opened.bos_token_id, opened.eos_token_ids, opened.spare_head) == (1, (2,), None)
    assert [file.name for file in opened.files] == ["model.safetensors"]
    with pytest.raises(dataclasses.FrozenInstanceError):
        opened.path = Path()  # type: ignore[misc]
    with pytest.raises(TypeError):
        opened.tensors["x"] = None  # type: ignore[index]


def test_settings_are_read_without_weights_from_a_folder_or_a_file(folder: Path, sparse: ModelConfig) -> None:
    (folder / "model.safetensors").unlink()
    assert read_settings(folder).config == read_settings(folder / "config.json").config == sparse
    with pytest.raises(CheckpointError, match=r"has no model\.safetensors"):
        open_folder(folder)
    with pytest.raises(CheckpointError, match="is a file: give the folder"):
        open_folder(folder / "config.json")


def test_what_is_no_model_folder_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"has neither config\.json nor params\.json"):
        open_folder(tmp_path)
    with pytest.raises(CheckpointError, match="no such folder: give a model folder, or a Hub id"):
        open_folder(tmp_path / "missing")


def test_generation_settings_have_the_last_word_on_ids(folder: Path) -> None:
    (folder / "generation_config.json").write_text('{"eos_token_id": [2, 9], "temperature": 0.5}')
    opened = open_folder(folder)
    assert (opened.bos_token_id, opened.eos_token_ids, opened.generation["temperature"]) == (1, (2, 9), 0.5)
    (folder / "generation_config.json").write_text('{"eos_token_id": "</s>"}')
    with pytest.raises(ConfigError, match=r"generation_config\.json: eos_token_id is '</s>'"):
        open_folder(folder)


def test_hugging_face_is_read_where_both_dialects_are_whole(folder: Path) -> None:
    model = load_model(folder)
    save_model(model, folder.parent / "native", dialect=Dialect.NATIVE, manifest=False)
    for name in ("params.json", "consolidated.safetensors"):
        (folder.parent / "native" / name).rename(folder / name)
    assert open_folder(folder).dialect is Dialect.HF
    (folder / "octavo-manifest.json").unlink()
    (folder / "model.safetensors").unlink()
    assert open_folder(folder).dialect is Dialect.NATIVE


def test_buffers_that_old_folders_carry_are_passed_over(plain_folder: Path) -> None:
    tensors = load_file(plain_folder / "model.safetensors")
    tensors["model.layers.0.self_attn.rotary_emb.inv_freq"] = torch.ones(6)
    save_file(tensors, plain_folder / "model.safetensors")
    assert load_model(plain_folder)


def test_a_tensor_that_is_missing_left_over_or_of_another_shape_is_named(plain_folder: Path) -> None:
    file = plain_folder / "model.safetensors"
    whole = load_file(file)
    name = "model.layers.1.self_attn.o_proj.weight"
    without = {each: tensor for each, tensor in whole.items() if each != name}
    for tensors, complaint in (
        (without, rf"lack tensor '{name}', which config\.json wants"),
        (
            {**without, name: whole[name].T.contiguous()},
            rf"'{name}' has shape \[48, 32\], but config\.json wants \[32, 48\]",
        ),
        ({**without, name + "s": whole[name]}, f"'{name}s' has no place in the model"),
        ({**without, name: whole[name].to(torch.int32)}, f"'{name}' is I32, want one of F32, F16, BF16"),
        ({**without, name: whole[name].half()}, rf"'{name}' is F16, but config\.json says float32"),
    ):
        save_file(tensors, file)
        with pytest.raises(CheckpointError, match=complaint):
            open_folder(plain_folder)


def test_without_a_dtype_in_the_settings_one_tensor_may_not_differ_from_the_others(plain_folder: Path) -> None:
    settings = json.loads((plain_folder / "config.json").read_text())
    del settings["dtype"], settings["torch_dtype"]
    (plain_folder / "config.json").write_text(json.dumps(settings))
    assert open_folder(plain_folder).dtype == torch.float32
    tensors = load_file(plain_folder / "model.safetensors")
    tensors["model.norm.weight"] = tensors["model.norm.weight"].half()
    save_file(tensors, plain_folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"'model\.norm\.weight' is F16, but the others are F32"):
        open_folder(plain_folder)


def test_untied_settings_with_a_tied_folder_say_what_is_lacking(plain_folder: Path) -> None:
    tensors = load_file(plain_folder / "model.safetensors")
    del tensors["lm_head.weight"]
    save_file(tensors, plain_folder / "model.safetensors")
    with pytest.raises(CheckpointError, match=r"lack tensor 'lm_head\.weight'.*tie_word_embeddings"):
        open_folder(plain_folder)
