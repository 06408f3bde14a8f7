"""The page of figures is written from the results, and calls by its name what nobody has measured."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture
def writer() -> ModuleType:
    spec = importlib.util.spec_from_file_location("performance_page", ROOT / "docs" / "performance_page.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def without_kernels(text: str) -> str:
    """The page but for the table of kernels, whose results are measured anew more often than the page is read."""
    return re.sub(r"<!-- kernels -->.*<!-- kernels -->", "", text, flags=re.DOTALL)


def test_the_page_is_that_of_the_results(writer: ModuleType) -> None:
    assert without_kernels(writer.PAGE.read_text("utf-8")) == without_kernels(writer.page()), (
        "run python docs/performance_page.py"
    )


def test_what_nobody_has_measured_is_called_that_and_what_is_there_is_shown(writer: ModuleType) -> None:
    assert all(writer.UNKNOWN in line for line in list(writer.gpu([]))[2:])
    row = {
        "shape": "mixtral-8x7b",
        "phase": "decode",
        "weights": "bf16",
        "batch": 1,
        "context": 512,
        "telemetry": "on",
        "tokens_per_second": 160.0,
        "roofline": 180.0,
        "date": "2026-11-24",
        "commit": "0123456789abcdef",
    }
    lines = list(writer.gpu([{"rows": [row]}]))
    assert lines[2] == "| decode | bf16 | 1 | 512 | 135.8 | 160.0 | 180.0 | 88.9% | 2026-11-24, 0123456789 |"
    assert sum(writer.UNKNOWN in line for line in lines) == len(writer.CELLS) - 1


def test_starts_and_telemetry_are_shown_once_they_are_there(writer: ModuleType) -> None:
    assert "\n".join(writer.gpu_others([])).count(writer.UNKNOWN) == 2
    row = {
        "shape": "mixtral-8x7b",
        "phase": "startup",
        "weights": "bf16",
        "batch": 1,
        "context": 0,
        "experts_touched": None,
        "telemetry": "on",
        "tokens_per_second": 0.1,
        "roofline": None,
        "spread": 0.01,
        "check": "green: cold kernel cache; every start gave token 5",
    }
    facts = {"benchmark": "b", "device": "d", "threads": 1, "cores": 2, "rates": None, "load": 0.1, "torch": "2"}
    text = "\n".join(writer.gpu_others([{**facts, "commit": "c", "date": "d", "rows": [row]}]))
    assert "| start-up, cold | bf16 | 1 | – | – | on | 10.00 s | – | – | 1% |" in text
    assert text.count(writer.UNKNOWN) == 1
