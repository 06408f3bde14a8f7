"""Names are vLLM's where vLLM has them, and no two metrics are called alike."""

import importlib.util
import re
from pathlib import Path

from octavo.server.telemetry.metric_names import METRICS


def test_names_are_prometheus_names_and_each_stands_once() -> None:
    shown = [metric.shown for metric in METRICS]
    assert len(set(shown)) == len(shown) >= 30
    assert all(re.fullmatch("[a-z][a-z0-9_]*", name) for name in shown)


def test_every_histogram_has_rising_bounds_and_nothing_else_has_any() -> None:
    for metric in METRICS:
        assert bool(metric.bounds) == (metric.kind == "histogram"), metric.name
        assert list(metric.bounds) == sorted(set(metric.bounds)), metric.name


def test_vllm_s_bounds_are_all_there() -> None:
    """A query for one bound of theirs, as an alert has it, finds it here."""
    theirs = {
        "time_to_first_token_seconds": (0.001, 0.005, 0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 10),
        "time_per_output_token_seconds": (0.01, 0.025, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 2.5, 80),
        "e2e_request_latency_seconds": (0.3, 0.5, 0.8, 1.0, 1.5, 2.0, 2.5, 5.0, 10.0, 15.0, 60.0, 120.0, 7680.0),
        "iteration_tokens_total": (1, 8, 16, 32, 64, 128, 256, 512, 1024, 2048, 4096, 8192, 16384),
        "request_prompt_tokens": (1, 2, 5, 10, 20, 50, 100, 10_000),
    }
    ours = {metric.name: set(metric.bounds) for metric in METRICS}
    assert {name for name, bounds in theirs.items() if not set(bounds) <= ours[name]} == set()


def test_the_page_of_metrics_is_what_its_writer_writes() -> None:
    path = Path(__file__).parent.parent.parent.parent / "docs" / "metrics_page.py"
    spec = importlib.util.spec_from_file_location("metrics_page", path)
    assert spec is not None
    assert spec.loader is not None
    writer = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(writer)
    written = writer.PAGE.read_text(encoding="utf-8")
    assert written == writer.page(), "run python docs/metrics_page.py"
    assert {name for name in re.findall(r"^\| `(\w+)`", written, re.MULTILINE)} == {metric.shown for metric in METRICS}
