"""A model folder with a trained tokenizer and random weights, and LLMs on it."""

from pathlib import Path

import pytest

from octavo.api.llm import LLM
from octavo.checkpoint import save_model
from octavo.config import ModelConfig
from octavo.model import Transformer
from octavo.tokenizer.training import train_bpe, write_tokenizer_files

VOCABULARY = 600


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sparse model that knows the words of this repository's own sources, with a chat template."""
    root = tmp_path_factory.mktemp("llm")
    texts = [path.read_text(encoding="utf-8") for path in sorted(Path(__file__).parents[2].glob("octavo/*.py"))]
    write_tokenizer_files(
        root / "tokenizer", train_bpe(texts, vocab_size=VOCABULARY, alphabet_size=100), context_length=128
    )
    # Eight ids more than the tokenizer has, as published models pad theirs.
    config = ModelConfig(
        vocab_size=VOCABULARY + 8, dim=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, hidden_dim=24,
        num_experts=4, num_experts_per_tok=2, context_length=128,
    )  # fmt: skip
    save_model(Transformer(config).init_weights(std=0.3), root / "model", tokenizer_from=root / "tokenizer")
    return root / "model"


@pytest.fixture(scope="session")
def bare(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same folder without tokenizer files."""
    other = tmp_path_factory.mktemp("bare")
    for name in ("config.json", "model.safetensors"):
        (other / name).write_bytes((folder / name).read_bytes())
    return other


@pytest.fixture(scope="session")
def llm(folder: Path) -> LLM:
    return LLM(folder, device="cpu", page_size=4, num_pages=200)
