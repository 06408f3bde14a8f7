"""Measures what recording costs: octavo-mini generates on a CPU, with its routing written into a trace and without.

Two instances take turns step by step, so that a machine that slows down slows down both alike. A round is a batch of
requests from its prompts to its last tokens and, on the one side, to its rows in the trace; then once more with the
parts of the two exchanged, since no two lie alike in memory. The cost is the median over the rounds of the ratio of
their times, with the quartiles and an interval of 95 % for the median itself. Time is that of the processor, on one
thread, since others may be at work here. What a trace costs once (to open and close it) is told apart, in seconds.
Refuses to time where the tokens differ, and ends with 1 where the cost is above the limit. Writes one JSON object with
its provenance.

    python benchmarks/recording.py --output benchmarks/results/recording.json
"""

import argparse
import json
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from provenance import provenance

from octavo import LLM, RequestOutput, SamplingParams
from octavo.analysis.recorder import Recorder
from octavo.analysis.store import RouteTrace, TraceWriter
from octavo.api.opening import find_model
from octavo.api.prompts import Prompt
from octavo.collect.facts import Columns, manifest_of
from octavo.collect.results import record_request
from octavo.collect.windows import Limits

PROMPT, NEW = 16, 128  # as many as octavo generate writes unasked
BATCHES = (1, 16)
LIMIT = 0.02  # of the time without recording

Keep = Callable[[RequestOutput], object]


def generating(llm: LLM, count: int, *, routing: bool, keep: Keep) -> Iterator[None]:
    """What LLM.generate does, a pause after each step; each result goes to ``keep``."""
    ids = torch.randint(300, 8000, (count, PROMPT), generator=torch.Generator().manual_seed(0)).tolist()
    params = SamplingParams(temperature=0.0, max_tokens=NEW, ignore_eos=True, detokenize=False, routing=routing)
    drafts = llm._drafts([Prompt(None, tuple(each)) for each in ids], params)
    with llm._serving(drafts):
        while not all(draft.finished for draft in drafts):
            llm._step()
            yield
    for draft in drafts:
        keep(draft.result())
    yield


def pass_of(sides: dict[str, Iterator[None]]) -> dict[str, float]:
    """Seconds of the processor that each side took, a step each in turn, the first one and the other ahead by turns."""
    taken, names, turn = dict.fromkeys(sides, 0.0), list(sides), 0
    while names:
        for name in names if turn % 2 else names[::-1]:
            began = time.process_time()
            ended = next(sides[name], "ended")
            taken[name] += time.process_time() - began
            if ended:
                names.remove(name)
        turn += 1
    return taken


def measure(count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Rounds of one batch size."""
    instances = [LLM(device="cpu", dtype="float32", enable_prefix_caching=False) for _ in range(2)]
    manifest = manifest_of(
        instances[0],
        model="octavo-mini",
        folder=find_model("octavo-mini"),
        columns=Columns(),
        limits=Limits(context=2048),
    )
    began = time.process_time()
    writer = TraceWriter(folder / f"{count}.route", manifest)
    once = time.process_time() - began
    recorder, numbers = Recorder(manifest, writer.add), iter(range(10**9))
    said: dict[str, list[list[int]]] = {"bare": [], "recorded": []}

    def record(output: RequestOutput) -> None:
        record_request(recorder, output, domain="generated", name=str(next(numbers)))
        said["recorded"].append(output.outputs[0].token_ids)

    def note(output: RequestOutput) -> None:
        said["bare"].append(output.outputs[0].token_ids)

    found = []
    for number in range(rounds + 1):
        taken = dict.fromkeys(said, 0.0)
        for bare, recorded in (instances, instances[::-1]):
            sides = {
                "bare": generating(bare, count, routing=False, keep=note),
                "recorded": generating(recorded, count, routing=True, keep=record),
            }
            for name, seconds in pass_of(sides).items():
                taken[name] += seconds / 2
        if said["bare"] != said["recorded"]:
            raise SystemExit(f"batch {count}: recording changes the tokens: not timed")
        found += [taken] * (number > 0)  # the first one warms up
    began = time.process_time()
    writer.close()
    once += time.process_time() - began
    row = {
        "figure": f"recording {NEW} tokens after {PROMPT}, batch {count}",
        "tokens": RouteTrace.open(writer.folder).num_tokens,
        "milliseconds_a_step": {
            name: 1000 * statistics.median(taken[name] for taken in found) / NEW for name in ("bare", "recorded")
        },
        "cost": spread([taken["recorded"] / taken["bare"] - 1 for taken in found]),
        "seconds_to_open_and_close": once,
    }
    print(f"{row['figure']}: {row['cost']['median']:+.2%}, and {once:.2f} s for the trace", file=sys.stderr)
    return row


def spread(values: list[float]) -> dict[str, Any]:
    low, median, high = statistics.quantiles(values, n=4)
    drawn = random.Random(0)
    medians = sorted(statistics.median(drawn.choices(values, k=len(values))) for _ in range(1000))
    return {"median": median, "from": medians[25], "to": medians[974], "quartiles": [low, high]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=41)
    parser.add_argument("--output", type=Path, help="the file to write; by default standard output")
    options = parser.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(count, options.rounds, Path(folder)) for count in BATCHES]
    found = {
        "benchmark": "what recording costs octavo-mini on a CPU",
        "rounds": options.rounds,
        "limit": LIMIT,
        "check": "equal greedy tokens with and without",
        **provenance(torch.device("cpu"), "pyarrow"),
        "figures": rows,
    }
    text = json.dumps(found, indent=1) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")
    sys.exit(any(row["cost"]["median"] > LIMIT for row in rows))


if __name__ == "__main__":
    main()
