"""Rates are measured one after another, shown as tables and kept under the names of ``vllm bench serve``."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.client.pretended import Pretended, listening

KEYS = {
    *("date", "endpoint_type", "backend", "model_id", "num_prompts", "request_rate", "burstiness", "max_concurrency"),
    *("duration", "completed", "failed", "total_input_tokens", "total_output_tokens", "request_throughput"),
    *("request_goodput", "output_throughput", "total_token_throughput", "max_output_tokens_per_s"),
    "max_concurrent_requests",
}
SHORT = ("--num-prompts", "6", "--random-input-len", "3", "--random-output-len", "4")


@pytest.fixture
def url(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("OCTAVO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    with listening(Pretended(seconds=0.002)) as found:
        yield found


def test_one_rate_is_one_object_under_vllms_names(octavo: Run, url: str) -> None:
    done = octavo("bench", "serve", "--base-url", url, *SHORT, "--json")
    assert done.exit_code == 0, done.stderr
    found = json.loads(done.stdout)
    assert set(found) >= KEYS
    for metric in ("ttft", "tpot", "itl", "e2el"):
        assert {f"{part}_{metric}_ms" for part in ("mean", "median", "std", "p99")} <= set(found)
    assert (found["completed"], found["failed"], found["request_rate"]) == (6, 0, "inf")
    assert found["model_id"] == "shouter"


@pytest.mark.parametrize("backend", ["openai", "openai-chat"])
@pytest.mark.parametrize("dataset", ["random", "corpus", "custom"])
def test_every_kind_of_prompt_goes_to_every_backend(
    octavo: Run, url: str, tmp_path: Path, backend: str, dataset: str
) -> None:
    path = tmp_path / "prompts.jsonl"
    path.write_text('{"prompt": "a b"}\n', encoding="utf-8")
    given = ("--dataset-path", path) if dataset == "custom" else ()
    flags = ("--backend", backend, "--dataset-name", dataset, *given)
    found = json.loads(octavo("bench", "serve", "--url", url, *SHORT, *flags, "--json").stdout)
    assert (found["completed"], found["backend"], found["dataset_name"]) == (6, backend, dataset)


def test_several_rates_are_a_list_and_a_line_each(octavo: Run, url: str, tmp_path: Path) -> None:
    flags = ("--request-rate", "50,inf", "--result-dir", tmp_path / "new", "--result-filename", "r.json")
    done = octavo("bench", "serve", "--base-url", url, *SHORT, *flags, "--goodput", "ttft:5000")
    assert done.exit_code == 0, done.stderr
    kept = json.loads((tmp_path / "new" / "r.json").read_text(encoding="utf-8"))
    assert [run["request_rate"] for run in kept] == [50.0, "inf"]
    assert kept[0]["duration"] >= 5 / 50
    assert kept[1]["request_goodput"] == kept[1]["request_throughput"]
    lines = done.stdout.splitlines()
    assert any(line.startswith("50 ") for line in lines)
    assert any(line.startswith("inf") for line in lines)
    assert "good requests/s" in done.stdout
    assert "r.json" in lines[-1]


def test_details_warmups_and_metadata_are_kept(octavo: Run, url: str, tmp_path: Path) -> None:
    flags = ("--save-detailed", "--result-dir", tmp_path, "--metadata", "gpu=none", "--num-warmups", "2")
    assert octavo("bench", "serve", "--base-url", url, *SHORT, *flags).exit_code == 0
    (path,) = tmp_path.iterdir()
    assert path.name.startswith("openai-infqps-shouter-")
    kept = json.loads(path.read_text(encoding="utf-8"))
    assert len(kept["ttfts"]) == len(kept["itls"]) == kept["completed"] == 6
    assert kept["gpu"] == "none"


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["--request-rate", "fast"], "--request-rate"),
        (["--request-rate", "0"], "--request-rate"),
        (["--num-prompts", "0"], "--num-prompts is 0"),
        (["--goodput", "ttft"], "--goodput"),
        (["--goodput", "speed:3"], "--goodput knows"),
        (["--metric-percentiles", "101"], "--metric-percentiles"),
        (["--percentile-metrics", "ttft,joy"], "joy"),
        (["--metadata", "x"], "--metadata"),
        (["--dataset-name", "custom"], "--dataset-path"),
        (["--model", "whisperer"], "it has shouter"),
        (["--random-input-len", "0"], "at least 1"),
    ],
)
def test_what_cannot_be_is_one_line(octavo: Run, url: str, flags: list[str], found: str) -> None:
    done = octavo("bench", "serve", "--base-url", url, *flags)
    assert done.exit_code == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_server_that_refuses_everything_is_told(octavo: Run) -> None:
    with listening(Pretended(refusals=1000)) as url:
        done = octavo("bench", "serve", "--base-url", url, *SHORT)
    assert done.exit_code == 2
    assert "all 6 requests failed" in done.stderr
    assert "too busy" in done.stderr
