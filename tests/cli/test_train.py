"""``octavo train``: a recipe and a corpus in, a model folder out; stopped at any time, it goes on."""

import json
import lzma
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from octavo.analysis.store import RouteTrace
from octavo.checkpoint import open_folder
from tests.cli.conftest import PROSE, Run

RECIPE = """
from octavo.config import ModelConfig
from octavo.training.config import TrainConfig

def recipe():
    model = ModelConfig(vocab_size=400, dim=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, hidden_dim=16,
                        num_experts=4, num_experts_per_tok=2, context_length=64)
    return TrainConfig(model=model, tokenizer={tokenizer!r}, tokens=256 * 4, batch_tokens=256, report_every=1,
                       validate_every=4, checkpoint_every=2, validation_tokens=128)
"""


@pytest.fixture
def recipe(tokenizer_folder: Path, tmp_path: Path) -> Path:
    path = tmp_path / "tiny.py"
    path.write_text(RECIPE.format(tokenizer=str(tokenizer_folder)))
    return path


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    folder = tmp_path / "corpus"
    folder.mkdir()
    for split in ("train", "validation", "test"):
        for domain in ("prose", "poems"):
            with lzma.open(folder / f"{domain}.{split}.jsonl.xz", "wt", encoding="utf-8") as file:
                for number in range(40):
                    line = {"id": f"{domain}#{number}", "text": PROSE[number % 3] * 3, "source": "-", "licence": "-"}
                    file.write(json.dumps(line) + "\n")
    return folder


def test_a_recipe_becomes_a_model_folder(octavo: Run, recipe: Path, corpus: Path, tmp_path: Path) -> None:
    done = octavo("train", recipe, "--corpus", corpus, "--output", tmp_path / "run", "--device", "cpu")
    assert done.exit_code == 0, done.stderr
    assert "step 4/4" in done.stderr
    assert "load" in done.stderr
    assert {"poems", "prose", "mean"} <= {line.split()[0] for line in done.stdout.splitlines() if line.strip()}
    assert open_folder(tmp_path / "run" / "model").config.num_experts == 4
    assert (tmp_path / "run" / "model" / "tokenizer.json").is_file()


def test_a_run_can_record_its_own_routing(octavo: Run, recipe: Path, corpus: Path, tmp_path: Path) -> None:
    trace = tmp_path / "run.route"
    call = ("train", recipe, "--corpus", corpus, "--device", "cpu", "--trace", trace, "--trace-every", 2)
    done = octavo(*call, "--output", tmp_path / "run")
    assert done.exit_code == 0, done.stderr
    found = RouteTrace.open(trace)
    assert found.domains == ("poems", "prose")
    assert {each.name.split()[0] for each in found.documents()} == {"00000002", "00000004"}
    again = octavo(*call, "--output", tmp_path / "other")
    assert again.exit_code == 2
    assert "holds a trace: go on with --resume" in again.stderr


def test_json_is_all_that_stands_on_stdout(octavo: Run, recipe: Path, corpus: Path, tmp_path: Path) -> None:
    done = octavo(
        "train", recipe, "--corpus", corpus, "--output", tmp_path / "run", "--device", "cpu", "--json", "--steps", "2"
    )
    found = json.loads(done.stdout)
    assert found["step"] == 2
    assert found["last_report"]["steps"] == 2
    assert set(found["validation"]["domains"]) == {"poems", "prose"}


def test_a_corpus_is_asked_for(octavo: Run, recipe: Path) -> None:
    done = octavo("train", recipe)
    assert done.exit_code == 2
    assert "--corpus" in done.stderr
    assert "OCTAVO_CORPUS" in done.stderr


@pytest.mark.parametrize("content", ["", "def recipe(): return 7", "raise ValueError('broken')", "def recipe(: pass"])
def test_a_recipe_that_is_none_is_refused(octavo: Run, corpus: Path, tmp_path: Path, content: str) -> None:
    path = tmp_path / "broken.py"
    path.write_text(content)
    done = octavo("train", path, "--corpus", corpus, "--output", tmp_path / "run")
    assert done.exit_code == 2
    assert "broken.py" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "run").exists()


def test_text_that_is_not_utf8_is_refused_by_name(octavo: Run, recipe: Path, corpus: Path, tmp_path: Path) -> None:
    with lzma.open(corpus / "prose.train.jsonl.xz", "wb") as file:
        file.write(b'{"id": "a", "text": "caf\xe9"}\n')
    done = octavo("train", recipe, "--corpus", corpus, "--output", tmp_path / "run", "--device", "cpu")
    assert done.exit_code == 2
    assert "prose.train.jsonl.xz" in done.stderr


def test_a_run_is_not_begun_twice_in_one_folder(octavo: Run, recipe: Path, corpus: Path, tmp_path: Path) -> None:
    arguments = ("train", recipe, "--corpus", corpus, "--output", tmp_path / "run", "--device", "cpu")
    assert octavo(*arguments).exit_code == 0
    again = octavo(*arguments)
    assert again.exit_code == 2
    assert "--resume" in again.stderr
    assert octavo(*arguments, "--resume").exit_code == 0


def test_ctrl_c_ends_a_run_that_can_go_on(octavo: Run, recipe: Path, corpus: Path, tmp_path: Path) -> None:
    arguments = ["train", str(recipe), "--corpus", str(corpus), "--output", str(tmp_path / "run"), "--device", "cpu"]
    command = [sys.executable, "-m", "octavo", *arguments, "--steps", "100000"]
    env = os.environ | {"OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=env) as child:
        assert child.stderr is not None
        for line in child.stderr:
            if line.startswith("step 3/"):
                break
        child.send_signal(signal.SIGINT)
        out, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert out == ""
    *_, last = error.splitlines()
    assert last.startswith("octavo: interrupted after step")
    assert "go on with --resume" in last
    assert "Traceback" not in error
