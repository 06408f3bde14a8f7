"""A training run that records itself: every so many steps, each piece of text once."""

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.store import RouteTrace
from octavo.collect.steps import recorded_steps
from octavo.config import ModelConfig
from octavo.errors import RequestError, TraceError
from octavo.tokenizer.training import train_bpe, write_tokenizer_files
from octavo.training.config import TrainConfig
from octavo.training.forward import Forward
from octavo.training.train import train
from tests.collect.conftest import PROSE


@pytest.fixture(scope="module")
def config(tmp_path_factory: pytest.TempPathFactory) -> TrainConfig:
    """Six steps of four short texts."""
    folder = tmp_path_factory.mktemp("words")
    write_tokenizer_files(folder, train_bpe(PROSE * 20, vocab_size=400, alphabet_size=60), context_length=32)
    model = ModelConfig(
        vocab_size=400, dim=16, num_layers=2, num_heads=2, num_kv_heads=1, head_dim=8, hidden_dim=16, num_experts=4,
        num_experts_per_tok=2, context_length=32, tie_embeddings=True,
    )  # fmt: skip
    return TrainConfig(
        model=model, tokenizer=str(folder), tokens=768, batch_tokens=128, checkpoint_every=2, validate_every=100
    )


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("corpus")
    rng = random.Random(0)
    for number, domain in enumerate(("fable", "code")):
        lines = [json.dumps({"text": PROSE[number] * rng.randint(1, 3)}) for _ in range(20)]
        (folder / f"{domain}.train.jsonl").write_text("\n".join(lines) + "\n")
    return folder


def run(config: TrainConfig, corpus: Path, output: Path, trace: Path, *, resume: bool = False, stop: int = 0) -> None:
    with recorded_steps(trace, config, every=2, resume=resume) as record:

        def follow(forward: Forward) -> None:
            record(forward)
            if forward.step == stop:
                raise KeyboardInterrupt

        train(config, corpus=corpus, output=output, device="cpu", resume=resume, on_forward=follow)


def rows_of(trace: Path) -> dict[str, list[bytes]]:
    opened = RouteTrace.open(trace)
    names = {each.document: f"{each.domain} {each.name}" for each in opened.documents()}
    found = {}
    for chunk in opened.chunks(weights=True):
        for place, number in enumerate(chunk.document_S.tolist()):
            held = slice(chunk.start_S1[place], chunk.start_S1[place + 1])
            assert chunk.weight_LTK is not None and chunk.token_T is not None
            arrays = (chunk.token_T[held], chunk.expert_LTK[:, held], chunk.weight_LTK[:, held])
            found[names[number]] = [array.tobytes() for array in arrays]
    return found


def test_every_second_step_is_in_the_trace_and_its_tokens_are_those_of_the_texts(
    config: TrainConfig, corpus: Path, tmp_path: Path
) -> None:
    run(config, corpus, tmp_path / "run", tmp_path / "run.route")
    trace = RouteTrace.open(tmp_path / "run.route")
    assert trace.domains == ("code", "fable")
    assert {each.name.split()[0] for each in trace.documents()} == {"00000002", "00000004", "00000006"}
    assert trace.num_tokens == 3 * 128
    assert trace.manifest.source == "octavo train"
    words = trace.vocabulary()
    text = b"".join(words[token] for chunk in trace.chunks(domains=["fable"]) for token in chunk.token_T.tolist())
    assert b"fox" in text and b"def" not in text


def test_a_run_in_two_parts_records_no_step_twice(config: TrainConfig, corpus: Path, tmp_path: Path) -> None:
    run(config, corpus, tmp_path / "whole", tmp_path / "whole.route")
    with pytest.raises(KeyboardInterrupt):
        # The newest checkpoint is that of step 4, so step 5 is done twice; and so is 4 where it was only just recorded.
        run(config, corpus, tmp_path / "parts", tmp_path / "parts.route", stop=5)
    run(config, corpus, tmp_path / "parts", tmp_path / "parts.route", resume=True)
    assert rows_of(tmp_path / "parts.route") == rows_of(tmp_path / "whole.route")


def test_a_trace_that_is_there_is_not_mixed_with_another_run(config: TrainConfig, corpus: Path, tmp_path: Path) -> None:
    run(config, corpus, tmp_path / "run", tmp_path / "run.route")
    with pytest.raises(TraceError, match="go on with --resume"):
        run(config, corpus, tmp_path / "other", tmp_path / "run.route")
    with pytest.raises(TraceError, match=r"settings\.recipe"):
        run(replace(config, seed=1), corpus, tmp_path / "other", tmp_path / "run.route", resume=True)


def test_a_dense_model_has_nothing_to_trace(config: TrainConfig, corpus: Path, tmp_path: Path) -> None:
    dense = replace(config, model=replace(config.model, num_experts=0, num_experts_per_tok=0))
    with pytest.raises(RequestError, match="no experts"):
        run(dense, corpus, tmp_path / "run", tmp_path / "run.route")
    assert not (tmp_path / "run.route").exists()


def test_the_weights_of_a_recorded_row_sum_to_one(config: TrainConfig, corpus: Path, tmp_path: Path) -> None:
    run(config, corpus, tmp_path / "run", tmp_path / "run.route")
    for chunk in RouteTrace.open(tmp_path / "run.route").chunks(weights=True):
        assert chunk.weight_LTK is not None
        np.testing.assert_allclose(chunk.weight_LTK.sum(axis=-1), 1, atol=1e-6)
