"""What a server is told to serve is found, and dummy weights have the shape that is asked for."""

from pathlib import Path

import pytest

from octavo.checkpoint import save_model
from octavo.config import mini
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import MemoryPlan
from octavo.errors import CheckpointError, OverCapacity
from octavo.model import Transformer
from octavo.server.backend.loading import find, find_own_tokenizer, load
from octavo.server.settings import ModelSettings


def test_octavo_mini_is_found_without_a_folder_of_ones_own() -> None:
    settings = ModelSettings()
    found = find(settings)
    assert found.config == mini()
    assert find_own_tokenizer(settings, found) is not None


def test_dummy_weights_take_the_shape_of_a_folder_whose_weights_may_be_missing(
    sparse: Transformer, tmp_path: Path
) -> None:
    save_model(sparse, tmp_path)
    for path in tmp_path.glob("*.safetensors*"):
        path.unlink()
    settings = ModelSettings(name=str(tmp_path), device="cpu", load_format="dummy")
    loaded = load(settings)
    assert loaded.model.config == sparse.config
    assert loaded.tokenizer is None
    assert loaded.model.norm.weight.unique().tolist() == [1.0]
    with pytest.raises(CheckpointError):
        load(ModelSettings(name=str(tmp_path), device="cpu"))


def test_a_preset_is_a_shape_for_dummy_weights_only() -> None:
    found = find(ModelSettings(name="mixtral-8x7b", load_format="dummy"))
    assert found.folder is None
    assert (found.config.num_layers, found.config.num_experts) == (32, 8)
    assert find_own_tokenizer(ModelSettings(name="mixtral-8x7b", load_format="dummy"), found) is None
    with pytest.raises(CheckpointError):
        find(ModelSettings(name="mixtral-8x7b"))


def test_a_preset_may_borrow_a_tokenizer() -> None:
    settings = ModelSettings(name="mixtral-8x7b", load_format="dummy", tokenizer="octavo-mini")
    assert find_own_tokenizer(settings, find(settings)) is not None


def test_dummy_weights_that_have_no_room_are_refused_before_they_are_made() -> None:
    settings = ModelSettings(name="mixtral-8x22b", device="cpu", load_format="dummy")
    heard: list[MemoryPlan] = []
    with pytest.raises(OverCapacity, match="weights 562 GB"):
        load(settings, EngineConfig(max_model_len=100), planned=heard.append)
    assert heard[0].weights > 5 * 10**11
