"""A small random model folder of each kind, and ways to run the command line."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from octavo.checkpoint import save_model
from octavo.cli import app
from octavo.config import ModelConfig
from octavo.model import Transformer
from octavo.tokenizer.training import train_bpe, write_tokenizer_files

PROSE = [
    "The quick brown fox jumps over the lazy dog, and the dog doesn't mind at all.\n",
    "def area(radius):\n    return 3.14159 * radius ** 2\n\n\nprint(area(10))\n",
    "L'homme qui rit n'est pas l'homme qu'on croit; c'est une autre histoire.\n",
]
Run = Callable[..., Result]
Process = Callable[..., subprocess.CompletedProcess[str]]


def small_config(**changes: int) -> ModelConfig:
    shape = {
        "vocab_size": 400,
        "dim": 32,
        "num_layers": 3,
        "num_heads": 4,
        "num_kv_heads": 2,
        "head_dim": 8,
        "hidden_dim": 16,
        "num_experts": 4,
        "num_experts_per_tok": 2,
        "context_length": 256,
    }
    return ModelConfig(**(shape | changes))


@pytest.fixture(scope="session")
def tokenizer_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("tokenizer")
    write_tokenizer_files(folder, train_bpe(PROSE * 20, vocab_size=400, alphabet_size=60), context_length=256)
    return folder


@pytest.fixture(scope="session")
def make_folder(tmp_path_factory: pytest.TempPathFactory, tokenizer_folder: Path) -> Callable[..., Path]:
    """Writes a random model of the small shape, with some of it changed, and its tokenizer."""

    def make(*, tokenizer: bool = True, **changes: int) -> Path:
        folder = tmp_path_factory.mktemp("models") / "small"
        model = Transformer(small_config(**changes)).init_weights(seed=0)
        save_model(model, folder, tokenizer_from=tokenizer_folder if tokenizer else None)
        return folder

    return make


@pytest.fixture(scope="session")
def folder(make_folder: Callable[..., Path]) -> Path:
    """A sparse model: 3 layers, 4 experts, 2 of them for each token."""
    return make_folder()


@pytest.fixture(scope="session")
def dense_folder(make_folder: Callable[..., Path]) -> Path:
    return make_folder(num_experts=0, num_experts_per_tok=0)


@pytest.fixture
def octavo(monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line in this process; output is no terminal, so it has no colours."""
    for name in ("FORCE_COLOR", "OCTAVO_MODEL", "OCTAVO_DEBUG", "OCTAVO_CORPUS"):
        monkeypatch.delenv(name, raising=False)
    runner = CliRunner()

    def run(*arguments: object, stdin: str | bytes | None = None) -> Result:
        return runner.invoke(app, [str(each) for each in arguments], input=stdin)

    return run


@pytest.fixture
def process() -> Process:
    """Runs the command line in a process of its own."""

    def run(*arguments: object, stdin: str = "", **changes: str) -> subprocess.CompletedProcess[str]:
        env = {name: value for name, value in os.environ.items() if not name.startswith(("OCTAVO", "FORCE_COLOR"))}
        command = [sys.executable, "-m", "octavo", *map(str, arguments)]
        return subprocess.run(command, input=stdin, capture_output=True, text=True, env=env | changes, check=False)

    return run
