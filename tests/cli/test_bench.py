"""``octavo bench serve`` is spelled as vllm's is, and its help needs no torch."""

import subprocess
import sys

import pytest

from tests.cli.conftest import Run

FLAGS = """--backend --base-url --model --request-rate --burstiness --max-concurrency --num-prompts --dataset-name
    --dataset-path --random-input-len --random-output-len --random-range-ratio --ignore-eos --seed --temperature
    --percentile-metrics --metric-percentiles --goodput --save-result --save-detailed --result-dir --result-filename
    --metadata --num-warmups"""


@pytest.mark.parametrize("flag", FLAGS.split())
def test_a_flag_of_vllm_is_a_flag_here(octavo: Run, flag: str) -> None:
    assert flag in octavo("bench", "serve", "--help").stdout


def test_a_bare_bench_shows_what_it_has(octavo: Run) -> None:
    assert "serve" in octavo("bench", "--help").stdout


def test_help_needs_no_torch() -> None:
    call = [sys.executable, "-X", "importtime", "-m", "octavo", "bench", "serve", "--help"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert not any(line.endswith(("| torch", "| numpy", "| httpx2")) for line in done.stderr.splitlines())
