"""Start-up: seconds from a process's start to its first token, with a cold cache of kernels and with a warm one."""

import dataclasses
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from octavo.bench.measures import Tell
from octavo.bench.subject import Plea
from octavo.errors import OctavoError

# Where kernels are kept that were compiled: Triton's, the driver's, torch's.
CACHES = ("TRITON_CACHE_DIR", "CUDA_CACHE_PATH", "TORCHINDUCTOR_CACHE_DIR")


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """Seconds of each start, cold and warm, and the token that every one of them brought forth."""

    cold: tuple[float, ...]
    warm: tuple[float, ...]
    token: int


def measure_startup(plea: Plea, repeats: int, tell: Tell) -> Started:
    """Starts a process ``repeats`` times with an empty cache of kernels, and each time once more with what that left.

    Raises OctavoError when a process fails, or when two of them differ in their token.
    """
    times: dict[str, list[float]] = {"cold": [], "warm": []}
    tokens = set()
    for repeat in range(repeats):
        with tempfile.TemporaryDirectory(prefix="octavo-kernels-") as folder:
            for number, which in enumerate(times):
                seconds, token = start(plea, Path(folder))
                times[which].append(seconds)
                tokens.add(token)
                tell(2 * repeat + number + 1)
    if len(tokens) > 1:
        raise OctavoError(f"starts brought forth different tokens, {sorted(tokens)}: not a figure; please report it")
    return Started(cold=tuple(times["cold"]), warm=tuple(times["warm"]), token=tokens.pop())


def start(plea: Plea, caches: Path) -> tuple[float, int]:
    """Seconds to the first token of a process that keeps its kernels in ``caches``, and that token."""
    environment = os.environ | {name: str(caches / name.lower()) for name in CACHES}
    call = [sys.executable, "-m", "octavo.bench.first_token", json.dumps(dataclasses.asdict(plea))]
    began = time.perf_counter()
    with subprocess.Popen(call, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        line = process.stdout.readline()
        seconds = time.perf_counter() - began
        _, said = process.communicate()
    if process.returncode or not line.strip().isdigit():
        last = said.strip().splitlines()[-1:] or [f"exit code {process.returncode}"]
        raise OctavoError(f"a process that was started ended without a token: {last[0][:300]}")
    return seconds, int(line)
