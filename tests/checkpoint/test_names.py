"""The name table: its names are those of the other implementations, its shapes fill the model, its views agree."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octavo.checkpoint.load import empty_model
from octavo.checkpoint.names import Dialect, Order, Part, atom_view, parameters, stored_tensors
from octavo.config import ModelConfig, mini, mixtral_8x7b
from octavo.model import Transformer
from octavo.parameters import count

TINY = replace(mini(), num_layers=2, dim=32, head_dim=8, hidden_dim=24, vocab_size=61)


@pytest.mark.parametrize("dialect", [Dialect.HF, Dialect.HF_STACKED])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("experts", [8, 0])
def test_hugging_face_names_and_shapes_are_those_of_transformers(
    tmp_path: Path, dialect: Dialect, tied: bool, experts: int
) -> None:
    from safetensors.torch import load_file
    from transformers import MistralConfig, MistralForCausalLM, MixtralConfig, MixtralForCausalLM

    config = replace(TINY, tie_embeddings=tied, num_experts=experts, num_experts_per_tok=2 if experts else 0)
    shape = {
        "vocab_size": config.vocab_size,
        "hidden_size": config.dim,
        "intermediate_size": config.hidden_dim,
        "num_hidden_layers": config.num_layers,
        "num_attention_heads": config.num_heads,
        "num_key_value_heads": config.num_kv_heads,
        "head_dim": config.head_dim,
        "tie_word_embeddings": tied,
    }
    theirs = MixtralForCausalLM(MixtralConfig(**shape)) if experts else MistralForCausalLM(MistralConfig(**shape))
    theirs.save_pretrained(tmp_path, save_original_format=dialect is Dialect.HF)
    written = {name: tuple(tensor.shape) for name, tensor in load_file(tmp_path / "model.safetensors").items()}
    assert {stored.name: stored.shape for stored in stored_tensors(config, dialect)} == written


def test_native_names_and_shapes_are_those_of_the_publisher() -> None:
    shapes = {stored.name: stored.shape for stored in stored_tensors(mixtral_8x7b(), Dialect.NATIVE)}
    assert shapes["layers.31.feed_forward.experts.7.w2.weight"] == (4096, 14336)
    assert shapes["layers.0.attention.wk.weight"] == (1024, 4096)
    assert shapes["layers.0.feed_forward.gate.weight"] == (8, 4096)
    assert shapes["output.weight"] == shapes["tok_embeddings.weight"] == (32000, 4096)
    stacked = {stored.name: stored.shape for stored in stored_tensors(mixtral_8x7b(), Dialect.NATIVE_STACKED)}
    for word in ("w1", "w2", "w3"):
        assert stacked[f"layers.31.block_sparse_moe.{word}"] == (8 * 14336, 4096)
    assert stacked["layers.31.block_sparse_moe.gate.weight"] == (8, 4096)


def test_the_models_own_column_is_its_parameters(config: ModelConfig) -> None:
    with torch.device("meta"):
        model = Transformer(config)
    assert {stored.name: stored.shape for stored in parameters(config)} == {
        name: tuple(parameter.shape) for name, parameter in model.named_parameters()
    }


@pytest.mark.parametrize("dialect", Dialect)
def test_every_dialect_holds_every_atom_once_and_nothing_else(config: ModelConfig, dialect: Dialect) -> None:
    table = stored_tensors(config, dialect)
    atoms = [part.atom for stored in table for part in stored.parts]
    assert len(atoms) == len(set(atoms))
    assert set(atoms) == {part.atom for stored in parameters(config) for part in stored.parts}
    assert sum(torch.Size(stored.shape).numel() for stored in table) == count(config).total


@pytest.mark.parametrize("dialect", Dialect)
def test_an_atom_has_one_shape_in_every_dialect(config: ModelConfig, dialect: Dialect) -> None:
    model = empty_model(config, device="meta", dtype=torch.float32)
    named = dict(model.named_parameters())
    ours = {
        part.atom: atom_view(named[stored.name], part, config.head_dim).shape
        for stored in parameters(config)
        for part in stored.parts
    }
    for stored in stored_tensors(config, dialect):
        for part in stored.parts:
            tensor = torch.empty(stored.shape, device="meta")
            assert atom_view(tensor, part, config.head_dim).shape == ours[part.atom]


def test_a_view_writes_through_to_its_tensor() -> None:
    tensor = torch.zeros(2, 8, 3)
    for order in Order:
        atom_view(tensor, Part("x", 8, 16, order), head_dim=4).fill_(1.0)
        assert tensor.sum() == 24 and tensor[1].min() == 1
        tensor.zero_()


def test_halves_and_neighbours_are_the_two_orders_of_rotary_rows() -> None:
    rows = torch.arange(8.0)[:, None].expand(8, 3).contiguous()
    part = Part("x", 0, 8, Order.HALVES)
    assert atom_view(rows, part, 4)[..., 0].tolist() == [[[0, 1], [2, 3]], [[4, 5], [6, 7]]]
    assert atom_view(rows, replace(part, order=Order.NEIGHBOURS), 4)[..., 0].tolist() == [
        [[0, 2], [1, 3]],
        [[4, 6], [5, 7]],
    ]
