"""Drives the scheduler and the block pool at random, a million times by default, and asserts all that must hold.

Every page's text is written down and compared with what its reader thinks is there. Says how often each thing happened.

    python benchmarks/scheduler.py --output benchmarks/results/scheduler.json
"""

import argparse
import json
import sys
import time
from pathlib import Path

import torch
from provenance import provenance

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.engine.bookkeeping import Bookkeeper


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    keeper = Bookkeeper(chosen.seed)
    began = time.perf_counter()
    for number in range(chosen.steps):
        keeper.act()
        if number % 10_000 == 0:
            print(f"\r{number:,} of {chosen.steps:,}", end="", file=sys.stderr)
    print(file=sys.stderr)
    while keeper.goals:
        keeper.step()
    scheduler = keeper.scheduler
    assert scheduler.pool.used == 0
    found = {
        "steps": chosen.steps,
        "seed": chosen.seed,
        "failed": 0,
        "requests": keeper.num_added,
        "sequences_ended": keeper.num_finished,
        "preemptions": scheduler.num_preempted,
        "tokens_let_in": scheduler.num_queried,
        "tokens_remembered": scheduler.num_hit,
        "longest_wait_in_steps": keeper.longest_wait,
        "seconds": round(time.perf_counter() - began, 1),
        **provenance(torch.device("cpu")),
    }
    print(json.dumps(found, indent=1))
    if chosen.output:
        chosen.output.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
