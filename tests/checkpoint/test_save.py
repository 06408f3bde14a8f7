"""Saving: what we write, transformers reads as its own, and what it writes we read, without a bit of difference."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from octavo.checkpoint import Dialect, convert, load_model, open_folder, save_model
from octavo.config import ModelConfig
from octavo.errors import CheckpointError
from octavo.model import Transformer

MakeModel = Callable[..., Transformer]
HF_DIALECTS = [Dialect.HF, Dialect.HF_STACKED]
TOKENS = torch.arange(1, 21)[None]


def theirs(folder: Path, dtype: torch.dtype = torch.float32) -> torch.nn.Module:
    """The folder as transformers loads it; a tensor that is missing or left over fails the test."""
    from transformers import AutoModelForCausalLM

    model, report = AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, output_loading_info=True)
    assert not any(report.values()), report
    return model


def their_logits(folder: Path) -> torch.Tensor:
    with torch.inference_mode():
        return theirs(folder)(TOKENS).logits


@pytest.mark.parametrize("dialect", HF_DIALECTS)
@pytest.mark.parametrize("shard", [None, 9_000])
def test_from_ours_to_transformers_and_back_nothing_changes(
    tmp_path: Path, config: ModelConfig, random_model: MakeModel, same_bits, dialect: Dialect, shard: int | None
) -> None:
    model = random_model(config)
    save_model(model, tmp_path / "ours", dialect=dialect, max_shard_bytes=shard)
    there = theirs(tmp_path / "ours")
    assert type(there).__name__ == ("MixtralForCausalLM" if config.is_sparse else "MistralForCausalLM")
    there.save_pretrained(tmp_path / "theirs", save_original_format=dialect is Dialect.HF)
    assert same_bits(load_model(tmp_path / "theirs"), model)
    assert (their_logits(tmp_path / "theirs") - their_logits(tmp_path / "ours")).abs().max() == 0.0


def test_from_transformers_through_every_dialect_and_back_nothing_changes(
    tmp_path: Path, config: ModelConfig, random_model: MakeModel
) -> None:
    save_model(random_model(config), tmp_path / "seed")
    theirs(tmp_path / "seed").save_pretrained(tmp_path / "theirs")
    before = their_logits(tmp_path / "theirs")
    source = tmp_path / "theirs"
    for step, dialect in enumerate([Dialect.NATIVE, Dialect.HF_STACKED, Dialect.NATIVE, Dialect.HF]):
        convert(source, tmp_path / str(step), dialect=dialect)
        source = tmp_path / str(step)
    assert (their_logits(source) - before).abs().max() == 0.0


def test_both_compute_the_same_from_the_same_folder(
    tmp_path: Path, config: ModelConfig, random_model: MakeModel
) -> None:
    from octavo.batch import Batch

    save_model(random_model(config), tmp_path / "ours")
    batch = Batch(TOKENS[0], torch.arange(20), torch.tensor([0, 20], dtype=torch.int32), 20)
    with torch.inference_mode():
        torch.testing.assert_close(load_model(tmp_path / "ours")(batch).logits_RV, their_logits(tmp_path / "ours")[0])


def test_weights_are_rounded_to_the_dtype_that_is_asked_for(
    tmp_path: Path, sparse: ModelConfig, random_model: MakeModel, same_bits
) -> None:
    save_model(random_model(sparse), tmp_path / "out", dtype=torch.bfloat16)
    assert open_folder(tmp_path / "out").dtype == torch.bfloat16
    assert same_bits(load_model(tmp_path / "out"), random_model(sparse).bfloat16())
    assert next(theirs(tmp_path / "out", "auto").parameters()).dtype == torch.bfloat16


def test_what_goes_beside_the_weights(tmp_path: Path, sparse: ModelConfig, random_model: MakeModel) -> None:
    tokenizer = tmp_path / "tokenizer"
    tokenizer.mkdir()
    for name in ("tokenizer.json", "tokenizer.model.v3", "tokenizer_config.json", "notes.txt", "model.safetensors"):
        (tokenizer / name).write_text(name)
    save_model(
        random_model(sparse),
        tmp_path / "out",
        tokenizer_from=tokenizer,
        bos_token_id=None,
        eos_token_ids=(5, 6),
        generation_config={"eos_token_id": [5, 6], "temperature": 0.7},
    )
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [
        "config.json",
        "generation_config.json",
        "model.safetensors",
        "octavo-manifest.json",
        "tokenizer.json",
        "tokenizer.model.v3",
        "tokenizer_config.json",
    ]
    settings = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (settings["bos_token_id"], settings["eos_token_id"]) == (None, [5, 6])
    opened = open_folder(tmp_path / "out")
    assert (opened.bos_token_id, opened.eos_token_ids, opened.generation["temperature"]) == (None, (5, 6), 0.7)


def test_a_tokenizer_that_links_out_of_its_folder_is_not_copied(
    tmp_path: Path, sparse: ModelConfig, random_model: MakeModel
) -> None:
    (tmp_path / "tokenizer").mkdir()
    (tmp_path / "tokenizer" / "tokenizer.json").symlink_to("/etc/hostname")
    with pytest.raises(CheckpointError, match=r"tokenizer\.json: a link to .*, outside of the folder"):
        save_model(random_model(sparse), tmp_path / "out", tokenizer_from=tmp_path / "tokenizer")
    assert not (tmp_path / "out").exists()


def test_the_first_release_is_not_written_and_neither_is_an_odd_dtype(
    tmp_path: Path, sparse: ModelConfig, random_model: MakeModel
) -> None:
    with pytest.raises(CheckpointError, match="native-stacked is read only: write native, hf or hf-stacked"):
        save_model(random_model(sparse), tmp_path / "out", dialect=Dialect.NATIVE_STACKED)
    with pytest.raises(CheckpointError, match="weights cannot be written as float64: want float32, float16, bfloat16"):
        save_model(random_model(sparse), tmp_path / "out", dtype=torch.float64)
    assert list(tmp_path.iterdir()) == []


def test_progress_ends_at_the_whole(tmp_path: Path, sparse: ModelConfig, random_model: MakeModel) -> None:
    told: list[tuple[str, int, int]] = []
    save_model(random_model(sparse), tmp_path / "out", progress=lambda *each: told.append(each))
    assert told[-1][0] == "lm_head.weight" and told[-1][1] == told[-1][2]
