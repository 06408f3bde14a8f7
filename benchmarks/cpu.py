"""Measures octavo-mini on a CPU beside transformers on the same folder: decoding, training, and peak memory.

Both are float32 with the same number of threads and take turns, so that a machine that slows down slows down both; each
figure is a median over the rounds with its range. Refuses to time when the two disagree on the greedy tokens or on the
loss. Writes one JSON object with its provenance.

    python benchmarks/cpu.py --output benchmarks/results/cpu.json
"""

import argparse
import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
from provenance import provenance
from torch import Tensor

PROMPT, NEW, TRAIN_TOKENS = 128, 64, 2048
BATCHES = (1, 16)
ROOT = Path(__file__).parent.parent

Decode = Callable[[list[list[int]], int], list[list[int]]]
TrainStep = Callable[[Tensor], float]


def ours(folder: str) -> Decode:
    from octavo import LLM, SamplingParams

    # The rounds read the same prompts, which it would remember.
    llm = LLM(folder, device="cpu", dtype="float32", enable_prefix_caching=False)

    def decode(prompts: list[list[int]], count: int) -> list[list[int]]:
        params = SamplingParams(temperature=0.0, max_tokens=count, ignore_eos=True, detokenize=False)
        return [list(done.outputs[0].token_ids) for done in llm.generate(prompts, params)]

    return decode


def theirs(folder: str) -> Decode:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.inference_mode()
    def decode(prompts: list[list[int]], count: int) -> list[list[int]]:
        token_ST = torch.tensor(prompts)
        # eos_token_id None: every sequence is written to its full length, as with our ignore_eos.
        written = model.generate(
            token_ST,
            attention_mask=torch.ones_like(token_ST),
            max_new_tokens=count,
            do_sample=False,
            eos_token_id=None,
            pad_token_id=0,
        )
        return [row[PROMPT:] for row in written.tolist()]

    return decode


def our_training(folder: str) -> TrainStep:
    from octavo.batch import Batch
    from octavo.checkpoint import load_model, open_folder
    from octavo.ops import REFERENCE
    from octavo.training.losses import linear_cross_entropy

    model = load_model(open_folder(folder), device="cpu", dtype=torch.float32, ops=REFERENCE)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)
    start_S1 = torch.tensor([0, TRAIN_TOKENS], dtype=torch.int32)

    def step(token_T: Tensor) -> float:
        batch = Batch(token_T, torch.arange(TRAIN_TOKENS), start_S1, TRAIN_TOKENS)
        target_T = torch.cat((token_T[1:], torch.tensor([-100])))
        x_TD, _ = model.trunk(batch)
        loss = linear_cross_entropy(x_TD, model.head_VD, target_T)
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss)

    return step


def their_training(folder: str) -> TrainStep:
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).train()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4, foreach=True)

    def step(token_T: Tensor) -> float:
        loss = model(token_T[None], labels=token_T[None], use_cache=False).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        return float(loss)

    return step


def spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "least": min(values), "most": max(values)}


def compare(name: str, runs: dict[str, Callable[[], Any]], amount: float, rounds: int) -> dict[str, Any]:
    """Times the two in turns after one unmeasured call each; ``amount`` is the number of tokens of one call."""
    speeds: dict[str, list[float]] = {who: [] for who in runs}
    for run in runs.values():
        run()
    for _ in range(rounds):
        for who, run in runs.items():
            began = time.perf_counter()
            run()
            speeds[who].append(amount / (time.perf_counter() - began))
    ratios = [a / b for a, b in zip(speeds["octavo"], speeds["transformers"], strict=True)]
    row = {who: spread(values) for who, values in speeds.items()}
    print(f"{name}: {json.dumps({who: round(x['median'], 1) for who, x in row.items()})}", file=sys.stderr)
    return {"figure": name, "unit": "tokens per second", **row, "ratio": spread(ratios)}


def decoding(folder: str, rounds: int) -> list[dict[str, Any]]:
    """Whole calls of NEW tokens, prompt and all: what a user of either waits for."""
    sides = {"octavo": ours(folder), "transformers": theirs(folder)}
    generator = torch.Generator().manual_seed(0)
    rows = []
    for batch in BATCHES:
        prompts = torch.randint(300, 8000, (batch, PROMPT), generator=generator).tolist()
        said = {who: decode(prompts, NEW) for who, decode in sides.items()}
        if said["octavo"] != said["transformers"]:
            raise SystemExit(f"batch {batch}: the greedy tokens differ: not timed")
        runs = {who: partial(decode, prompts, NEW) for who, decode in sides.items()}
        rows.append(compare(f"generate {NEW} after {PROMPT}, batch {batch}", runs, batch * NEW, rounds))
        runs = {who: partial(decode, prompts, 1) for who, decode in sides.items()}
        rows.append(compare(f"prefill {PROMPT}, batch {batch}", runs, batch * PROMPT, rounds))
        rows.append(_decode_only(rows[-2], rows[-1], batch))
    return rows


def _decode_only(whole: dict[str, Any], prefill: dict[str, Any], batch: int) -> dict[str, Any]:
    """Tokens a second of the steps after the first token, from the medians of the two rows before it."""
    speed = {}
    for who in ("octavo", "transformers"):
        seconds = batch * NEW / whole[who]["median"] - batch * PROMPT / prefill[who]["median"]
        speed[who] = batch * (NEW - 1) / seconds
    ratio = speed["octavo"] / speed["transformers"]
    return {"figure": f"decode, batch {batch}", "unit": "tokens per second", **speed, "ratio": ratio}


def training(folder: str, rounds: int) -> list[dict[str, Any]]:
    sides = {"octavo": our_training(folder), "transformers": their_training(folder)}
    token_T = torch.randint(300, 8000, (TRAIN_TOKENS,), generator=torch.Generator().manual_seed(1))
    losses = {who: step(token_T) for who, step in sides.items()}
    if abs(losses["octavo"] - losses["transformers"]) > 1e-4:
        raise SystemExit(f"the losses differ: {losses}: not timed")
    runs = {who: partial(step, token_T) for who, step in sides.items()}
    return [compare(f"train on {TRAIN_TOKENS}", runs, TRAIN_TOKENS, rounds)]


def peak_memory(folder: str) -> dict[str, Any]:
    """Peak resident memory of a process of its own that loads the model and writes NEW tokens at batch 16, in MiB."""
    found = {}
    for who in ("octavo", "transformers"):
        command = [sys.executable, __file__, "--model", folder, "--memory-of", who]
        found[who] = float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {"figure": "peak memory", "unit": "MiB", **found, "ratio": found["octavo"] / found["transformers"]}


def _high_water_mark() -> float:
    """Peak resident memory of this program in MiB; ru_maxrss would count the parent's from before the exec as well."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found is not None, "no VmHWM in /proc/self/status: peak memory is measured on Linux only"
    return int(found[1]) / 1024


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "octavo" / "mini"), help="a folder, by default octavo-mini")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--output", type=Path, help="the file to write; by default standard output")
    parser.add_argument("--memory-of", choices=("octavo", "transformers"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.memory_of:
        decode = (ours if options.memory_of == "octavo" else theirs)(options.model)
        decode([[5] * PROMPT] * 16, NEW)
        print(_high_water_mark())
        return
    rows = [*decoding(options.model, options.rounds), *training(options.model, options.rounds)]
    rows.append(peak_memory(options.model))
    found = {
        "benchmark": "octavo-mini on a CPU beside transformers",
        "model": Path(options.model).name,
        "rounds": options.rounds,
        "check": "equal greedy tokens, losses within 1e-4",
        **provenance(torch.device("cpu"), "transformers"),
        "figures": rows,
    }
    text = json.dumps(found, indent=1) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")


if __name__ == "__main__":
    main()
