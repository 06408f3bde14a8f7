"""The engine's benchmarks stand beside the server's, and their help needs no torch."""

import subprocess
import sys

import pytest

from octavo.cli.engine_bench import COMMANDS
from tests.cli.conftest import Run


@pytest.mark.parametrize("command", COMMANDS, ids=lambda each: each.__name__)
def test_every_command_is_there_and_says_what_it_does(octavo: Run, command) -> None:
    assert command.__name__ in octavo("bench", "--help").stdout
    shown = octavo("bench", command.__name__, "--help").stdout
    for flag in ("--shape", "--random-weights", "--dtype", "--device", "--json", "--output"):
        assert flag in shown


def test_help_needs_no_torch() -> None:
    call = [sys.executable, "-X", "importtime", "-m", "octavo", "bench", "decode", "--help"]
    done = subprocess.run(call, capture_output=True, text=True, check=True)
    assert not any(line.endswith(("| torch", "| numpy")) for line in done.stderr.splitlines())
