"""A run reads its text, learns, reports and saves; stopped anywhere, it goes on as if it had not been."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from octavo.errors import CheckpointError, ConfigError, CorpusError, OctavoError
from octavo.training import snapshot
from octavo.training import train as training
from octavo.training.config import Phase
from octavo.training.progress import TrainingStopped
from octavo.training.train import train

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("changes", [{}, {"dense": True}, {"optimizer": "muon"}, {"accumulate": 2, "chat_share": 0.1}])
def test_a_run_learns_reports_and_saves(tiny, corpus, tmp_path, changes):
    config = tiny(tokens=40 * 256, learning_rate=2e-2, matrix_learning_rate=2e-2, report_every=5, **changes)
    reports = []
    found = train(config, corpus=corpus, output=tmp_path / "run", device="cpu", on_step=reports.append)
    assert [report.step for report in reports] == [s for s in range(1, 41) if s % 2 == 0 or s % 5 == 0]
    assert reports[-1].cross_entropy < reports[0].cross_entropy - 0.5
    assert reports[-1].tokens == 40 * 256
    assert found.validation is not None
    assert {score.domain for score in found.validation.domains} == {"notes", "prose"}
    assert [path.name for path in snapshot.complete(tmp_path / "run")] == ["step-00000038", "step-00000040"]
    lines = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines] == [report.step for report in reports]
    if config.model.is_sparse:
        assert all(sum(share_E) == pytest.approx(1) for share_E in reports[-1].expert_share_LE)
    else:
        assert reports[-1].expert_share_LE is None


def test_forwards_go_to_whoever_asks(tiny, corpus, tmp_path):
    seen = []
    train(
        tiny(tokens=512),
        corpus=corpus,
        output=tmp_path / "run",
        device="cpu",
        on_forward=lambda forward: seen.append((forward.step, [r.expert_TK.shape for r in forward.routings])),
    )
    assert seen == [(step, [(256, 2), (256, 2)]) for step in (1, 2)]


def test_two_runs_are_equal_to_the_bit_and_another_seed_is_not(tiny, corpus, tmp_path):
    weights = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        found = train(tiny(seed=seed), corpus=corpus, output=tmp_path / name, device="cpu")
        weights.append(found.model.tok_embeddings.weight)
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0], weights[2])


PHASES = (Phase(context=16), Phase(begins=0.6, domain_weights=(("notes", 3.0),)))


@pytest.mark.parametrize("changes", [{"optimizer": "adamw"}, {"optimizer": "muon"}, {"phases": PHASES}])
@pytest.mark.parametrize("stop_at", [5, 6, 7])
def test_a_run_in_two_parts_equals_one_in_one_part(tiny, corpus, tmp_path, changes, stop_at):
    config = tiny(**changes)
    whole = train(config, corpus=corpus, output=tmp_path / "whole", device="cpu")

    def stop(report):
        if report.step == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(config, corpus=corpus, output=tmp_path / "parts", device="cpu", on_step=stop)
    parts = train(config, corpus=corpus, output=tmp_path / "parts", device="cpu", resume=True)
    for (key, x), y in zip(whole.model.state_dict().items(), parts.model.state_dict().values(), strict=True):
        assert torch.equal(x, y), key
    steps = [json.loads(line)["step"] for line in (tmp_path / "parts" / "metrics.jsonl").read_text().splitlines()]
    assert steps == list(range(1, 11))


def test_a_phase_has_its_own_shares_and_length_of_pieces(tiny, corpus, tmp_path):
    config = tiny(tokens=40 * 256, phases=PHASES)
    text, _ = training._read_text(config, corpus, tmp_path / "tokens", 1)
    run = training.Run(config, text, torch.device("cpu"))
    notes = run.packer.domains.index("notes")
    drawn = []
    for _ in range(40):
        run.advance(None)
        drawn.append(run.place.drawn)
    assert [packer.context for packer in run.packers] == [16, config.model.context_length]
    for packer, steps, last in ((run.packers[0], 24, drawn[23]), (run.packers[1], 16, drawn[39])):
        assert sum(last) == steps * 256
        assert last[notes] / sum(last) == pytest.approx(packer.share_D[notes], abs=0.02)
    odds = [packer.share_D[notes] / (1 - packer.share_D[notes]) for packer in run.packers]
    assert odds[1] == pytest.approx(3 * odds[0])


def test_killed_at_twenty_random_moments_it_resumes_to_the_same_bits(tiny, corpus, tmp_path):
    recipe = tmp_path / "recipe.py"
    config = tiny(optimizer="muon", tokens=12 * 256, phases=PHASES)
    recipe.write_text(
        "from octavo.config import ModelConfig\nfrom octavo.training.config import Phase, TrainConfig\n"
        f"def recipe():\n    return {config!r}\n"
    )
    done = subprocess.run(
        [sys.executable, Path(__file__).with_name("killing.py"), recipe, corpus, tmp_path / "runs", "20"],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    trials = [json.loads(line) for line in done.stdout.splitlines()]
    assert [trial["equal"] for trial in trials] == [True] * 20
    # Some were killed with a checkpoint half written, some with an older one to go back to.
    assert sum(bool(trial["torn"]) for trial in trials) >= 5
    assert sum(bool(trial["held"]) for trial in trials) >= 5


def test_a_run_that_has_ended_has_nothing_left_to_do(tiny, corpus, tmp_path):
    train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu")
    again = train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu", resume=True)
    assert again.step == 10


def test_two_runs_are_never_mixed(tiny, corpus, tmp_path):
    train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu")
    with pytest.raises(ConfigError, match="holds a run with step-00000010: go on with --resume"):
        train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu")
    with pytest.raises(ConfigError, match=r"begun with learning_rate 0\.003, the recipe now has 0\.5"):
        train(tiny(learning_rate=0.5), corpus=corpus, output=tmp_path / "run", device="cpu", resume=True)
    (corpus / "more.train.jsonl").write_text('{"text": "the stone and the river"}\n')
    with pytest.raises(ConfigError, match="give the corpus it was begun with"):
        train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu", resume=True)


def test_a_resumed_run_may_report_and_save_otherwise(tiny, corpus, tmp_path):
    train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu")
    other = tiny(report_every=3, checkpoint_every=7, keep_checkpoints=1)
    assert train(other, corpus=corpus, output=tmp_path / "run", device="cpu", resume=True).step == 10


@pytest.mark.parametrize("split", ["train", "validation"])
def test_bad_text_is_named_before_the_first_step(tiny, corpus, tmp_path, split, monkeypatch):
    with (corpus / f"prose.{split}.jsonl").open("ab") as file:
        file.write(b'{"text": "\xff"}\n')
    monkeypatch.setattr(training.Run, "advance", lambda *_: pytest.fail("a step was made"))
    with pytest.raises(CorpusError, match=rf"prose\.{split}\.jsonl, line \d+ is not UTF-8"):
        train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu")
    assert snapshot.complete(tmp_path / "run") == []


def test_a_corpus_without_validation_is_trained_on_without(tiny, corpus, tmp_path):
    for path in corpus.glob("*.validation.jsonl"):
        path.unlink()
    assert train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu").validation is None


def test_a_tokenizer_with_more_ids_than_the_model_is_refused(tiny, corpus, tmp_path):
    small = replace(tiny().model, vocab_size=100)
    with pytest.raises(ConfigError, match="has 320 ids, the model's vocab_size is 100"):
        train(tiny(model=small), corpus=corpus, output=tmp_path / "run", device="cpu")


def test_a_loss_that_is_no_number_names_its_batch_and_saves_nothing(tiny, corpus, tmp_path, monkeypatch):
    real = training.objective

    def poisoned(model, config, *, fuse):
        run, calls = real(model, config, fuse=fuse), 0

        def evaluate(packed):
            nonlocal calls
            calls += 1
            found = run(packed)
            return replace(found, loss=found.loss * float("nan")) if calls == 4 else found

        return evaluate

    monkeypatch.setattr(training, "objective", poisoned)
    config = tiny(report_every=10, checkpoint_every=3, validate_every=100)
    with pytest.raises(TrainingStopped) as caught:
        train(config, corpus=corpus, output=tmp_path / "run", device="cpu")
    told = str(caught.value)
    assert told.startswith("the loss of step 4 is nan")
    assert ".train.jsonl document " in told
    assert "\n" not in told
    assert isinstance(caught.value, OctavoError)
    assert [path.name for path in snapshot.complete(tmp_path / "run")] == ["step-00000003"]


def test_a_full_disk_ends_the_run_with_the_older_checkpoint_whole(tiny, corpus, tmp_path, monkeypatch):
    through = snapshot._write_through

    def full(path, content):
        if path.parent.name == "step-00000004" and path.name == "optimizer.safetensors":
            raise OSError(28, "No space left on device")
        through(path, content)

    monkeypatch.setattr(snapshot, "_write_through", full)
    with pytest.raises(CheckpointError, match=r"No space left on device.*step-00000002.*--resume"):
        train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu")
    monkeypatch.undo()
    assert [path.name for path in snapshot.complete(tmp_path / "run")] == ["step-00000002"]
    assert train(tiny(), corpus=corpus, output=tmp_path / "run", device="cpu", resume=True).step == 10


def test_curves_are_drawn_when_asked(tiny, corpus, tmp_path):
    pytest.importorskip("tensorboard")
    train(tiny(tokens=512), corpus=corpus, output=tmp_path / "run", device="cpu", draw_curves=True)
    assert list((tmp_path / "run" / "tensorboard").glob("events.out.tfevents.*"))
