"""Tiny models and folders that the tests of the checkpoint room share."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from octavo.batch import Batch
from octavo.checkpoint.load import empty_model
from octavo.config import ModelConfig
from octavo.model import Transformer

SPARSE = ModelConfig(
    vocab_size=61,
    dim=32,
    num_layers=2,
    num_heads=4,
    num_kv_heads=2,
    head_dim=12,
    hidden_dim=24,
    num_experts=4,
    num_experts_per_tok=2,
    context_length=256,
)


@pytest.fixture
def sparse() -> ModelConfig:
    """A sparse model whose dimensions all differ, so that no two can be confused."""
    return SPARSE


@pytest.fixture(params=["sparse", "dense", "tied"])
def config(request: pytest.FixtureRequest) -> ModelConfig:
    """A sparse model, a dense one, and one with tied embeddings and a sliding window."""
    from dataclasses import replace

    kinds = {
        "sparse": SPARSE,
        "dense": replace(SPARSE, num_experts=0, num_experts_per_tok=0, norm_eps=1e-6),
        "tied": replace(SPARSE, tie_embeddings=True, sliding_window=7, rope_theta=1e4),
    }
    return kinds[request.param]


@pytest.fixture
def random_model() -> Callable[..., Transformer]:
    """Makes a model of random weights."""

    def make(config: ModelConfig, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Transformer:
        return empty_model(config, device="cpu", dtype=dtype).init_weights(seed=seed, std=0.2)

    return make


@pytest.fixture
def logits() -> Callable[[Transformer], torch.Tensor]:
    """Runs a model over the same twenty tokens."""

    def run(model: Transformer) -> torch.Tensor:
        token_T = torch.randint(0, model.config.vocab_size, (20,), generator=torch.Generator().manual_seed(3))
        batch = Batch(token_T, torch.arange(20), torch.tensor([0, 20], dtype=torch.int32), 20)
        with torch.inference_mode():
            return model(batch).logits_RV

    return run


@pytest.fixture
def same_bits() -> Callable[[Transformer, Transformer], bool]:
    """Tells whether two models hold the same parameters to the bit."""

    def same(one: Transformer, other: Transformer) -> bool:
        ours, theirs = dict(one.named_parameters()), dict(other.named_parameters())
        return ours.keys() == theirs.keys() and all(
            torch.equal(ours[name].detach().view(torch.uint8), theirs[name].detach().view(torch.uint8)) for name in ours
        )

    return same


@pytest.fixture
def folder(tmp_path: Path, random_model: Callable[..., Transformer], sparse: ModelConfig) -> Path:
    """A Hugging Face folder of the sparse model, with its manifest."""
    from octavo.checkpoint import save_model

    save_model(random_model(sparse), tmp_path / "model")
    return tmp_path / "model"


def first_release(native: Path, folder: Path, config: ModelConfig, *, files: int = 3) -> Path:
    """The folder as the first release of Mixtral had it: experts stacked, w2 transposed, in several .pt files.

    Written here from the description of the format, not from the name table.
    """
    tensors = load_file(native / "consolidated.safetensors")
    for layer in range(config.num_layers):
        at = f"layers.{layer}"
        if config.is_sparse:
            tensors[f"{at}.block_sparse_moe.gate.weight"] = tensors.pop(f"{at}.feed_forward.gate.weight")
            for word in ("w1", "w2", "w3"):
                every = [tensors.pop(f"{at}.feed_forward.experts.{e}.{word}.weight") for e in range(config.num_experts)]
                every = [each.T if word == "w2" else each for each in every]
                tensors[f"{at}.block_sparse_moe.{word}"] = torch.cat(every)
    folder.mkdir()
    (folder / "params.json").write_bytes((native / "params.json").read_bytes())
    names = sorted(tensors)
    for number in range(files):
        torch.save({name: tensors[name] for name in names[number::files]}, folder / f"consolidated.{number:02d}.pt")
    return folder
