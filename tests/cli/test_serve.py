"""octavo serve as a command: its help needs no torch, its flags may come from a file, its failures are one line."""

import os
import subprocess
import sys
from pathlib import Path

import pytest


def call(*arguments: str) -> tuple[int, str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("OCTAVO")} | {"COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-m", "octavo", "serve", *arguments],
        capture_output=True, text=True, env=env, check=False, timeout=120,
    )  # fmt: skip
    return done.returncode, done.stdout + done.stderr


def test_the_help_names_the_flags_of_the_field() -> None:
    code, text = call("--help")
    assert code == 0
    for flag in (
        "--host", "--port", "--uds", "--api-key", "--api-key-file", "--served-model-name", "--max-model-len", "--dtype",
        "--max-num-seqs", "--max-num-batched-tokens", "--shutdown-timeout", "--on-engine-death", "--load-format",
        "--trace-dir", "--metrics-prefix", "--no-webui", "--batch-invariant", "--allowed-origins", "--ssl-keyfile",
        "--ssl-certfile", "--config", "--request-timeout", "--max-queue", "--no-enable-prefix-caching",
        "--enable-log-requests", "--block-size", "--seed",
    ):  # fmt: skip
        assert flag in text, flag


@pytest.mark.parametrize(
    ("text", "arguments", "message"),
    [
        ("max-queue: -5\n", [], "max_queue is -5"),
        ("max-queue: -5\n", ["--max-queue", "-7"], "max_queue is -7"),
        ("limit: [max_stops=-1]\n", [], "max_stops is -1"),
        ("limit: max_stops=-2\n", [], "max_stops is -2"),
        ("prot: 1\n", [], "did you mean port?"),
        ("port: eighty\n", [], "Invalid value for '--port'"),
    ],
)
def test_a_file_gives_flags_and_the_command_line_goes_before_it(
    tmp_path: Path, text: str, arguments: list[str], message: str
) -> None:
    path = tmp_path / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    code, told = (
        call("--config", str(path), "--port", "0", *arguments) if "port" not in text else call("--config", str(path))
    )
    assert code == 2
    assert message in told
    assert "Traceback" not in told
    assert len(told.strip().splitlines()) == 1
