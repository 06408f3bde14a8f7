"""A tiny model of each kind, for measuring in no time."""

from collections.abc import Callable
from dataclasses import replace

import pytest
import torch

from octavo.bench import device_rates
from octavo.bench.subject import Plea, Subject, find_subject
from octavo.config import ModelConfig, mini

TINY = replace(mini(), num_layers=2, dim=32, hidden_dim=16, vocab_size=96, head_dim=8, context_length=512)
MakeSubject = Callable[..., Subject]


@pytest.fixture
def tiny() -> ModelConfig:
    """A sparse shape."""
    return TINY


@pytest.fixture
def subject() -> MakeSubject:
    """Makes a subject of random weights, of the tiny shape unless another is given."""

    def make(config: ModelConfig = TINY, *, dtype: str = "float32") -> Subject:
        found = find_subject(Plea(shape="mini", random_weights=True, device="cpu", dtype=dtype))
        return replace(found, config=config)

    return make


@pytest.fixture
def small_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    """Measures the device on little memory."""
    monkeypatch.setitem(device_rates.ELEMENTS, "cpu", 1 << 16)
    monkeypatch.setitem(device_rates.PRODUCT, "cpu", (32, 32, 32))


@pytest.fixture
def cpu() -> torch.device:
    return torch.device("cpu")
