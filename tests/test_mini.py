"""octavo-mini is what its card says: an ordinary folder, small, balanced, and better than its dense twin."""

import json
import os
import runpy
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from transformers import AutoTokenizer, MixtralForCausalLM

from octavo import LLM
from octavo.checkpoint import open_folder, verify_folder
from octavo.config import mini

ROOT = Path(__file__).parent.parent
FOLDER = ROOT / "octavo" / "mini"
CARD = runpy.run_path(str(ROOT / "benchmarks" / "mini_card.py"))


def test_the_folder_has_the_shape_of_the_preset_and_fits_in_32_megabytes() -> None:
    assert open_folder(FOLDER).config == mini()
    assert sum(path.stat().st_size for path in FOLDER.iterdir()) <= 32_000_000
    verify_folder(FOLDER)


def test_transformers_reads_it_unchanged_and_says_the_same() -> None:
    tokenizer = AutoTokenizer.from_pretrained(FOLDER)
    model = MixtralForCausalLM.from_pretrained(FOLDER, dtype=torch.float32).eval()
    text = "The court shall hear the parties.\n\n    def read(path):\n"
    ids = tokenizer(text)["input_ids"]
    llm = LLM(FOLDER, device="cpu", dtype="float32")
    (score,) = llm.score(text, routing=True)
    assert score.token_ids == ids
    with torch.no_grad():
        theirs = model(torch.tensor([ids]), output_router_logits=True)
    logprob_TV = theirs.logits[0].log_softmax(dim=-1)
    wanted = logprob_TV[:-1].gather(1, torch.tensor(ids)[1:, None])[:, 0]
    torch.testing.assert_close(torch.tensor(score.logprobs[1:]), wanted, atol=1e-4, rtol=1e-4)
    for layer, logits_TE in enumerate(theirs.router_logits):
        assert score.routed_experts[:, layer].tolist() == logits_TE.topk(2).indices.tolist()


def test_its_chat_template_gives_the_ids_that_transformers_gives() -> None:
    turns = [{"role": "user", "content": "What is 2 + 2?"}]
    theirs = AutoTokenizer.from_pretrained(FOLDER).apply_chat_template(turns, return_dict=False)
    answer = LLM(FOLDER, device="cpu").chat(turns)
    assert answer[0].prompt_token_ids == theirs


def test_the_card_shows_the_figures_of_the_results() -> None:
    assert CARD["tables"]() in (FOLDER / "README.md").read_text(encoding="utf-8")


def test_every_expert_of_every_layer_takes_between_1_and_30_percent() -> None:
    for run in ("sparse-0", "sparse-1"):
        for load_E in CARD["test_of"](run)["test"]["load"]:
            assert min(load_E) / sum(load_E) >= 0.01
            assert max(load_E) / sum(load_E) <= 0.30


def test_the_sparse_model_beats_the_dense_one_in_every_domain_with_both_seeds() -> None:
    bits = {run: CARD["test_of"](run)["test"] for run in CARD["RUNS"]}
    assert all(bits[run]["bits_per_byte"] <= 1.22 for run in ("sparse-0", "sparse-1"))
    for domain in bits["sparse-0"]["domains"]:
        worst = max(bits[run]["domains"][domain]["bits_per_byte"] for run in ("sparse-0", "sparse-1"))
        best = min(bits[run]["domains"][domain]["bits_per_byte"] for run in ("dense-0", "dense-1"))
        assert worst < best, domain


@pytest.mark.parametrize("kind", ["sparse", "dense"])
def test_both_seeds_ran_the_recipe_on_the_same_tokens(kind: str) -> None:
    recipe = "octavo_mini.py" if kind == "sparse" else "octavo_mini_dense.py"
    wanted = runpy.run_path(str(ROOT / "recipes" / recipe))["recipe"]()
    for seed in (0, 1):
        found = json.loads((CARD["RESULTS"] / f"{kind}-{seed}.config.json").read_text())
        assert found["seed"] == seed
        assert found["tokens"] == wanted.tokens
        for name in ("batch_tokens", "optimizer", "learning_rate", "matrix_learning_rate", "mix_power", "chat_share"):
            assert found[name] == getattr(wanted, name), name
        assert found["model"]["hidden_dim"] == wanted.model.hidden_dim


def test_the_readmes_one_liner_works_without_a_network() -> None:
    line = "from octavo import LLM; print(LLM().generate('The ')[0].outputs[0].text)"
    cut = "import socket\ndef refuse(*_): raise OSError('no network')\nsocket.socket.connect = refuse\n"
    done = subprocess.run([sys.executable, "-c", cut + line], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


def test_the_demo_ends_within_three_times_the_six_seconds_it_is_given(tmp_path: Path) -> None:
    command, env = [sys.executable, "-m", "octavo", "demo"], os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    first = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    began = time.perf_counter()
    again = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    assert time.perf_counter() - began < 18
    report = tmp_path / "octavo" / "demo" / "report.html"
    assert report.as_uri() in first.stdout and report.as_uri() in again.stdout
    assert report.stat().st_size < 2_000_000
