"""A corpus of two small domains, a tokenizer trained on it, and a model that learns it in seconds."""

import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from octavo.config import ModelConfig
from octavo.tokenizer.training import train_bpe, write_tokenizer_files
from octavo.training.config import TrainConfig

WORDS = (
    "the",
    "an",
    "expert",
    "router",
    "reads",
    "token",
    "layer",
    "of",
    "each",
    "and",
    "chooses",
    "weight",
    "sum",
    "light",
    "river",
    "stone",
)


def text(rng: random.Random, words: int) -> str:
    return " ".join(rng.choice(WORDS) for _ in range(words)) + ".\n"


def write_corpus(folder: Path) -> Path:
    rng = random.Random(7)
    folder.mkdir(parents=True, exist_ok=True)
    for domain, longest in (("prose", 300), ("notes", 30)):
        for split, number in (("train", 40), ("validation", 5), ("test", 5)):
            records = [
                {"id": f"{domain}/{i}", "text": text(rng, rng.randint(longest // 3, longest))} for i in range(number)
            ]
            lines = "".join(json.dumps(record) + "\n" for record in records)
            (folder / f"{domain}.{split}.jsonl").write_text(lines, encoding="utf-8")
    return folder


@pytest.fixture
def corpus(tmp_path: Path) -> Path:
    return write_corpus(tmp_path / "corpus")


@pytest.fixture(scope="session")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("tokenizer")
    rng = random.Random(7)
    trained = train_bpe([text(rng, 400)] * 3 + ["0123456789?!"], vocab_size=320, alphabet_size=40)
    write_tokenizer_files(folder, trained, context_length=64)
    return str(folder)


@pytest.fixture
def tiny(tokenizer: str) -> Callable[..., TrainConfig]:
    """Makes a configuration of ten steps; what is given replaces what stands here, ``dense`` the model."""

    def make(*, dense: bool = False, **changes: Any) -> TrainConfig:
        model = ModelConfig(
            vocab_size=320,
            dim=16,
            num_layers=2,
            num_heads=2,
            num_kv_heads=1,
            head_dim=8,
            hidden_dim=32 if dense else 16,
            num_experts=0 if dense else 4,
            num_experts_per_tok=0 if dense else 2,
            rope_theta=1e4,
            context_length=64,
            tie_embeddings=True,
        )
        config = TrainConfig(
            model=model,
            tokenizer=tokenizer,
            tokens=2560,
            batch_tokens=256,
            report_every=1,
            validate_every=5,
            validation_tokens=200,
            checkpoint_every=2,
        )
        return replace(config, **changes)

    return make
