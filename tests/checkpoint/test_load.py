"""Loading: every dialect gives the same model, to the bit, in the dtype that is asked for."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from octavo.checkpoint import Dialect, load_model, open_folder, save_model
from octavo.config import ModelConfig
from octavo.model import Transformer

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


def test_a_dtype_that_is_asked_for_is_rounded_once(folder: Path, sparse: ModelConfig, random_model: MakeModel) -> None:
    loaded = load_model(folder, dtype=torch.bfloat16)
    for ours, theirs in zip(loaded.parameters(), random_model(sparse).parameters(), strict=True):
        assert torch.equal(ours, theirs.bfloat16())


def test_progress_ends_at_the_whole(folder: Path) -> None:
    told: list[tuple[str, int, int]] = []
    load_model(folder, progress=lambda name, done, total: told.append((name, done, total)))
    assert told[-1][1] == told[-1][2]
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)
