"""A small random sparse model with a tokenizer, and texts in several files for it."""

import json
from pathlib import Path

import pytest

from octavo.api.llm import LLM
from octavo.checkpoint import save_model
from octavo.collect.sources import find_sources
from octavo.collect.tracing import Job
from octavo.collect.windows import Limits
from octavo.config import ModelConfig
from octavo.model import Transformer
from octavo.tokenizer.training import train_bpe, write_tokenizer_files

PROSE = [
    "The quick brown fox jumps over the lazy dog, and the dog doesn't mind at all.\n",
    "def area(radius):\n    return 3.14159 * radius ** 2\n\n\nprint(area(10))\n",
    "L'homme qui rit n'est pas l'homme qu'on croit; c'est une autre histoire.\n",
]
CONTEXT = 64


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse model: 3 layers, 4 experts, 2 of them for each token."""
    root = tmp_path_factory.mktemp("collect")
    write_tokenizer_files(root / "words", train_bpe(PROSE * 20, vocab_size=400, alphabet_size=60), context_length=64)
    config = ModelConfig(
        vocab_size=400, dim=32, num_layers=3, num_heads=4, num_kv_heads=2, head_dim=8, hidden_dim=16, num_experts=4,
        num_experts_per_tok=2, context_length=CONTEXT,
    )  # fmt: skip
    save_model(Transformer(config).init_weights(std=0.3), root / "model", tokenizer_from=root / "words")
    return root / "model"


@pytest.fixture(scope="session")
def llm(folder: Path) -> LLM:
    return open_llm(folder)


def open_llm(folder: Path) -> LLM:
    """The model with small batches, so that a few texts fill several."""
    return LLM(folder, device="cpu", page_size=4, num_pages=200, max_num_batched_tokens=96)


@pytest.fixture(scope="session")
def texts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two domains as files and one as a subfolder, of short and long documents."""
    root = tmp_path_factory.mktemp("texts")
    for number, domain in enumerate(("fable.test.jsonl", "code.jsonl")):
        lines = [{"id": f"{domain}-{n}", "text": PROSE[number] * (1 + n % 3) + f"{n}"} for n in range(9)]
        (root / domain).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (root / "french" / "deep").mkdir(parents=True)
    (root / "french" / "a.txt").write_text(PROSE[2])
    (root / "french" / "deep" / "b.txt").write_text(PROSE[2] * 7)
    return root


def job_of(texts: Path, folder: Path, **changes: object) -> Job:
    """A job over the texts with the model's own context."""
    known = {
        "sources": find_sources([texts]),
        "model": str(folder),
        "folder": folder,
        "limits": Limits(context=CONTEXT),
    }
    return Job(**(known | changes))
