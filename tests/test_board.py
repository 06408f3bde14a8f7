"""Every query of examples/grafana.json answers in Debian's real Prometheus, which scrapes a real server under traffic.

Without Prometheus the tests that need it are skipped and say so; OCTAVO_BOARD_TESTS=1 makes that a failure, as in
continuous integration.
"""

import importlib.util
import json
import os
import re
import subprocess
from pathlib import Path
from types import ModuleType

import pytest

from benchmarks.promises.board import board_queries, find_prometheus, unanswered
from octavo.server.telemetry.metric_names import METRICS

EXAMPLES = Path(__file__).parent.parent / "examples"
# What a name of a query may have behind it.
SUFFIXES = ("_bucket", "_sum", "_count")


def need_prometheus() -> str:
    path = find_prometheus()
    if path is None:
        said = "the board is not asked: prometheus is missing (apt-get install prometheus)"
        if os.environ.get("OCTAVO_BOARD_TESTS"):
            pytest.fail(said)
        pytest.skip(said)
    return path


@pytest.fixture(scope="module")
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("grafana_board", EXAMPLES / "grafana_board.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("prefix", ["octavo", "vllm"])
def test_every_query_answers_with_data(prefix: str) -> None:
    need_prometheus()
    asked, left = unanswered(prefix, seed=1)
    assert asked >= 40
    assert left == []


def test_prometheus_takes_the_example_as_it_stands() -> None:
    promtool = Path(need_prometheus()).with_name("promtool")
    done = subprocess.run(
        [promtool, "check", "config", EXAMPLES / "prometheus.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_board_is_what_its_maker_writes(maker: ModuleType) -> None:
    written = json.loads((EXAMPLES / "grafana.json").read_text(encoding="utf-8"))
    assert written == maker.board(), "run python examples/grafana_board.py"


def test_the_board_asks_for_metrics_that_there_are() -> None:
    shown = {metric.shown for metric in METRICS}
    asked = {name for query in board_queries("octavo") for name in re.findall(r"octavo:(\w+)", query)}
    bare = {next((name.removesuffix(end) for end in SUFFIXES if name.endswith(end)), name) for name in asked}
    assert bare <= shown
    assert len(bare) > 20


def test_panels_lie_side_by_side_and_every_one_says_what_it_shows(maker: ModuleType) -> None:
    taken: set[tuple[int, int]] = set()
    for panel in maker.board()["panels"]:
        place = panel["gridPos"]
        assert 0 <= place["x"] <= place["x"] + place["w"] <= 24, panel["title"]
        cells = {(place["x"] + x, place["y"] + y) for x in range(place["w"]) for y in range(place["h"])}
        assert not cells & taken, panel["title"]
        taken |= cells
        assert panel["type"] == "row" or panel["description"]
    height = max(y for _, y in taken) + 1
    assert len(taken) == 24 * height, "there are gaps"
