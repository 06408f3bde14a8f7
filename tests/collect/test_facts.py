"""Facts: the manifest tells the model, the run and the texts, so that a trace can be repeated."""

import shutil
from pathlib import Path

import pytest

from octavo.api.llm import LLM
from octavo.checkpoint import open_folder, save_model
from octavo.collect.facts import Columns, manifest_of, model_sha256, tokenizer_sha256
from octavo.collect.windows import Limits
from octavo.config import ModelConfig
from octavo.errors import RequestError
from octavo.model import Transformer
from octavo.ops import INVARIANT


def test_the_manifest_says_what_is_kept_and_how_it_was_run(llm: LLM, folder: Path) -> None:
    columns = Columns(tokens=False, weights=True, logits=True)
    manifest = manifest_of(
        llm, model=str(folder), folder=folder, columns=columns, limits=Limits(context=32), bos=False, settings={"x": 1}
    )
    assert (manifest.num_experts, manifest.num_experts_per_tok, manifest.layers) == (4, 2, (0, 1, 2))
    assert (manifest.has_tokens, manifest.has_weights, manifest.has_logits, manifest.has_nll) == (
        False,
        True,
        True,
        False,
    )
    assert (manifest.model, manifest.bos, manifest.context, manifest.vocab_size) == (folder.name, "never", 32, 400)
    assert manifest.batch_invariant is False
    assert manifest.settings["dtype"] == "float32"
    assert manifest.settings["device"] == "cpu"
    assert manifest.settings["batch_tokens"] == 96
    assert manifest.settings["threads"] == 1
    assert manifest.settings["x"] == 1


def test_a_batch_invariant_run_does_not_hang_on_threads(folder: Path) -> None:
    llm = LLM(folder, device="cpu", batch_invariant=True)
    assert llm.engine.runner.model.ops == INVARIANT
    manifest = manifest_of(llm, model="m", folder=folder, columns=Columns(), limits=Limits(context=32))
    assert manifest.batch_invariant is True
    assert manifest.settings["threads"] is None


def test_a_dense_model_is_refused(tmp_path: Path) -> None:
    config = ModelConfig(
        vocab_size=40, dim=16, num_layers=1, num_heads=2, num_kv_heads=1, head_dim=8, hidden_dim=8, context_length=16
    )
    save_model(Transformer(config).init_weights(), tmp_path / "dense")
    llm = LLM(tmp_path / "dense", device="cpu")
    with pytest.raises(RequestError, match="dense has no experts"):
        manifest_of(llm, model="dense", folder=tmp_path, columns=Columns(), limits=Limits(context=8))


def test_the_models_hash_is_that_of_its_tensors_whatever_else_lies_there(folder: Path, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(folder, copied)
    (copied / "README.md").write_text("new")
    assert model_sha256(open_folder(copied)) == model_sha256(open_folder(folder))
    model = Transformer(open_folder(folder).config).init_weights(seed=1)
    save_model(model, tmp_path / "other", tokenizer_from=folder)
    assert model_sha256(open_folder(tmp_path / "other")) != model_sha256(open_folder(folder))


def test_without_checksums_beside_it_the_weight_files_are_hashed(folder: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        shutil.copytree(folder, tmp_path / name)
        (tmp_path / name / "octavo-manifest.json").unlink()
    assert model_sha256(open_folder(tmp_path / "a")) == model_sha256(open_folder(tmp_path / "b"))
    assert model_sha256(open_folder(tmp_path / "a")) != model_sha256(open_folder(folder))


def test_the_tokenizers_hash_counts_its_configuration(folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder, tmp_path / "m")
    path = tmp_path / "m" / "tokenizer.json"
    before = tokenizer_sha256(path)
    assert before == tokenizer_sha256(folder / "tokenizer.json")
    beside = path.with_name("tokenizer_config.json")
    beside.write_text(beside.read_text() + "\n")
    assert tokenizer_sha256(path) != before
