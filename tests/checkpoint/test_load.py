"""Loading: every dialect gives the same model, to the bit, in the dtype that is asked for."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from octavo.checkpoint import Dialect, convert, load_model, open_folder, save_model
from octavo.config import ModelConfig
from octavo.model import Transformer
from tests.checkpoint.conftest import first_release

MakeModel = Callable[..., Transformer]
WRITTEN = [Dialect.HF, Dialect.HF_STACKED, Dialect.NATIVE]


@pytest.mark.parametrize("dialect", WRITTEN)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("shard", [None, 9_000])
def test_a_saved_model_comes_back_to_the_bit(
    tmp_path: Path, config: ModelConfig, random_model: MakeModel, same_bits, dialect: Dialect, dtype, shard
) -> None:
    model = random_model(config, dtype=dtype)
    save_model(model, tmp_path / "out", dialect=dialect, max_shard_bytes=shard)
    opened = open_folder(tmp_path / "out")
    assert (opened.dialect, opened.config, opened.dtype) == (_as_read(dialect, config), config, dtype)
    assert (len(opened.files) > 1) == (shard is not None)
    assert same_bits(load_model(opened), model)


def _as_read(dialect: Dialect, config: ModelConfig) -> Dialect:
    """Without experts, the two Hugging Face dialects are one."""
    return Dialect.HF if dialect is Dialect.HF_STACKED and not config.is_sparse else dialect


def test_a_loaded_model_speaks_as_the_saved_one(
    tmp_path: Path, config: ModelConfig, random_model: MakeModel, logits
) -> None:
    model = random_model(config)
    for dialect in WRITTEN:
        save_model(model, tmp_path / dialect, dialect=dialect)
        assert torch.equal(logits(load_model(tmp_path / dialect)), logits(model))


@pytest.mark.parametrize("seed", range(8))
def test_random_models_speak_the_same_in_all_four_dialects(
    tmp_path: Path, random_model: MakeModel, logits, seed: int
) -> None:
    dice = random.Random(seed)
    experts = dice.choice([0, 2, 4, 7])
    kv_heads = dice.choice([1, 2, 3])
    config = ModelConfig(
        vocab_size=dice.randrange(20, 99),
        dim=dice.choice([8, 24, 40]),
        num_layers=dice.randrange(1, 4),
        num_heads=kv_heads * dice.choice([1, 2, 4]),
        num_kv_heads=kv_heads,
        head_dim=dice.choice([2, 6, 16]),
        hidden_dim=dice.choice([5, 24, 33]),
        num_experts=experts,
        num_experts_per_tok=min(experts, dice.choice([1, 2, 3])),
        rope_theta=dice.choice([1e4, 1e6]),
        sliding_window=dice.choice([None, 5]),
        tie_embeddings=dice.random() < 0.5,
    )
    model = random_model(config, seed=seed)
    said = logits(model)
    for dialect in WRITTEN:
        save_model(model, tmp_path / dialect, dialect=dialect, max_shard_bytes=dice.choice([None, 5_000]))
        assert torch.equal(logits(load_model(tmp_path / dialect)), said)
    save_model(model, tmp_path / "one-file", dialect=Dialect.NATIVE)
    first_release(tmp_path / "one-file", tmp_path / "first", config)
    convert(tmp_path / "first", tmp_path / "from-first", dialect=Dialect.HF, allow_pickle=True)
    assert torch.equal(logits(load_model(tmp_path / "from-first")), said)


def test_a_dtype_that_is_asked_for_is_rounded_once(folder: Path, sparse: ModelConfig, random_model: MakeModel) -> None:
    loaded = load_model(folder, dtype=torch.bfloat16)
    for ours, theirs in zip(loaded.parameters(), random_model(sparse).parameters(), strict=True):
        assert torch.equal(ours, theirs.bfloat16())


def test_progress_ends_at_the_whole(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load_model(folder, progress=lambda name, done, total: told.append((name, done, total)))
    assert told[-1][1] == told[-1][2]
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
