"""Trains, kills with SIGKILL, resumes and compares with a run that was left alone; prints one JSON line a trial.

    python killing.py RECIPE CORPUS FOLDER TRIALS

Even trials are killed at a random moment of the run, odd ones inside a save, with a file half written. Every run is a
forked child, so that nothing survives of it but its files.
"""

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from octavo.training import snapshot
from octavo.training.config import load_recipe
from octavo.training.train import train

TIMES = ("seconds", "seconds_left", "tokens_per_second")


def started(work: Callable[[], None]) -> int:
    """Runs ``work`` in a child and returns its process id."""
    child = os.fork()
    if child:
        return child
    try:
        work()
        os._exit(0)
    except BaseException as error:
        print(f"child: {error!r}", file=sys.stderr, flush=True)
        os._exit(1)


def result(output: Path) -> tuple[object, ...]:
    """Everything that a run ended with, but the times it took."""
    last = snapshot.read(snapshot.complete(output)[-1])
    tensors = {name: x.tolist() for part in (last.masters, last.optimizer) for name, x in part.items()}
    state = {name: value for name, value in last.state.items() if name not in TIMES}
    reports = [json.loads(line) for line in (output / "metrics.jsonl").read_text().splitlines()]
    return last.step, tensors, state, [{k: v for k, v in report.items() if k not in TIMES} for report in reports]


def die_inside_save(call: int) -> None:
    """Lets the ``call``-th file of the checkpoints be half written when the process is killed."""
    whole, calls = snapshot._write_through, 0

    def write(path: Path, content: bytes) -> None:
        nonlocal calls
        calls += 1
        if calls == call:
            path.write_bytes(content[: random.Random(call).randrange(len(content))])
            os.kill(os.getpid(), signal.SIGKILL)
        whole(path, content)

    snapshot._write_through = write


def main(recipe: str, corpus: Path, folder: Path, trials: int) -> None:
    config = load_recipe(recipe)
    torch.set_num_threads(1)

    def run(output: Path, dying: int = 0) -> None:
        if dying:
            die_inside_save(dying)
        train(config, corpus=corpus, output=output, resume=True, device="cpu", token_folder=folder / "tokens")

    began = time.perf_counter()
    assert os.waitpid(started(lambda: run(folder / "tokenised")), 0)[1] == 0
    began = time.perf_counter()
    assert os.waitpid(started(lambda: run(folder / "whole")), 0)[1] == 0
    duration = time.perf_counter() - began
    want = result(folder / "whole")
    saves = config.steps // config.checkpoint_every
    for trial in range(trials):
        rng = random.Random(trial)
        inside = trial % 2 == 1
        output = folder / f"trial-{trial}"
        status = 0
        while status != signal.SIGKILL:
            child = started(lambda: run(output, rng.randint(1, 4 * saves) if inside else 0))  # noqa: B023, run at once
            if not inside:
                time.sleep(rng.uniform(0, duration))
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
        held = [path.name for path in snapshot.complete(output)]
        torn = [path.name for path in output.glob("step-*") if path.name not in held] if output.exists() else []
        assert os.waitpid(started(lambda: run(output)), 0)[1] == 0  # noqa: B023, run at once
        told = {"trial": trial, "inside": inside, "held": held, "torn": torn, "equal": result(output) == want}
        print(json.dumps(told), flush=True)


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), Path(sys.argv[3]), int(sys.argv[4]))
