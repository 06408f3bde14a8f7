"""What tests of kernels share: the device they run on, and memory that nobody has written yet."""

import pytest
import torch


@pytest.fixture
def device() -> str:
    """The GPU where there is one; else the CPU, whose tensors Triton's interpreter reads."""
    return "cuda" if torch.cuda.is_available() else "cpu"


@pytest.fixture
def poison(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fills what ``torch.empty`` gives, so that an element that nobody writes is seen."""
    empty = torch.empty

    def poisoned(*shape: object, **options: object) -> torch.Tensor:
        fresh = empty(*shape, **options)  # type: ignore[call-overload]
        return fresh.fill_(float("nan") if fresh.is_floating_point() else -77)

    monkeypatch.setattr(torch, "empty", poisoned)
