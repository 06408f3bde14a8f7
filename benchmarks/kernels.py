"""Checks and times the kernels of a decoding step on a GPU, several tiles each, and the whole step that they make.

At Mixtral-8x7B's shape with random weights. Every kernel is first compared with the reference in float32, outputs
poisoned: where its error is above twice that of the reference in bfloat16 this is told and nothing is timed. Times are
medians over replays of a CUDA graph that takes turns over several sets of weights, so that the cache does not hold
them; beside each stand the bytes that it must read over the bandwidth of reading that the same run measured. A step is
embedding, all layers with their routings written, head and the likeliest token. Writes one JSON object with its
provenance, anew after every part, so that a run that is cut short leaves what it has.

    python benchmarks/kernels.py --output benchmarks/results/kernels.json
"""

import argparse
import json
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import torch
from decode_step import steps
from gpu_timing import Run, bandwidth, error, poisoned, seconds
from kernel_ways import Group, attentions, layers_of_experts, normal, products, routers
from provenance import provenance

from octavo.config import ModelConfig, mini, mixtral_8x7b

BATCHES = (1, 8, 64, 256)
CELLS = ((1, 512), (1, 4096), (8, 512), (64, 512), (64, 4096), (256, 512))


def measured(group: Group, read: float) -> Iterator[dict[str, Any]]:
    """Checks every way of a group, after compiling them side by side, and times those that are right."""
    with ThreadPoolExecutor(12 if torch.cuda.is_available() else 1) as pool:
        failed = dict(zip(group.ways, pool.map(_trouble, group.ways.values()), strict=True))
    allowed = 2 * error(group.reference, group.exact)
    floor = group.bytes_read / read
    for way, run in group.ways.items():
        row = {"kernel": group.kernel, "batch": group.batch, "context": group.context, "floor": floor}
        row |= {"way": way if isinstance(way, str) else asdict(way)}
        # Once more by itself, if it was the company that did not agree with it.
        trouble = failed[way] and _trouble(run)
        if trouble:
            yield row | {"check": trouble}
            continue
        with poisoned():
            off = error(run(0), group.exact)
        row |= {"error": off, "allowed": allowed, "check": "green" if off <= allowed else "red"}
        if row["check"] == "green":
            try:
                row |= seconds(run, group.sets)
            except RuntimeError as trouble:
                row["check"] = f"no graph: {trouble}"[:200]
        yield row


def fastest(group: Group, rows: list[dict[str, Any]]) -> Any:
    """The tile of the fastest right way that has one; None where none has."""
    timed = [
        (row["seconds"], place, way)
        for place, (way, row) in enumerate(zip(group.ways, rows, strict=True))
        if "seconds" in row and not isinstance(way, str)
    ]
    return min(timed)[2] if timed else None


def _trouble(run: Run) -> str:
    """What stops a kernel from being compiled or launched, such as a tile that the device has no room for."""
    try:
        run(0)
    except Exception as trouble:
        return f"{type(trouble).__name__}: {trouble}"[:200]
    return ""


def groups(config: ModelConfig, device: torch.device, sets: int) -> Iterator[Group]:
    """Every kernel at every size."""
    experts, wide, dim = config.num_experts, config.hidden_dim, config.dim
    weights = [
        (normal(experts, 2 * wide, dim, std=0.02, device=device), normal(experts, dim, wide, std=0.02, device=device))
        for _ in range(sets)
    ]
    for batch in BATCHES:
        yield from layers_of_experts(config, batch, weights)
    del weights
    for batch in BATCHES:
        yield from products(config, batch, device)
        yield from routers(config, batch, device)
    for batch, context in CELLS:
        yield from attentions(config, batch, context, device)


def told(row: dict[str, Any]) -> str:
    """One row as a line."""
    way = row["way"] if isinstance(row["way"], str) else " ".join(f"{k[0]}{v}" for k, v in row["way"].items() if v)
    line = f"{row['kernel']:31} {row['batch']:3} {row['context']:4} {way:30} {row['check']:5.60}"
    if "seconds" in row:
        line += f" {row['seconds'] * 1e6:9.2f} us {row['floor'] / row['seconds']:5.0%}"
    return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path, default=Path("kernels.json"))
    parser.add_argument("--parts", default="kernels,steps", help="kernels, steps or both")
    parser.add_argument("--only", default="", help="only kernels whose name has this in it")
    options = parser.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    on_gpu = device.type == "cuda"
    # Without a GPU everything is gone through at a small size, in Triton's interpreter: figures mean nothing there.
    config = mixtral_8x7b() if on_gpu else replace(mini(), num_layers=2, hidden_dim=48, dim=64, vocab_size=80)
    torch.manual_seed(0)
    began = time.perf_counter()
    found: dict[str, Any] = {"benchmark": "kernels of a decoding step", **provenance(device, "triton"), "rows": []}
    found |= {"bandwidth": bandwidth(device, 1 << 31 if on_gpu else 1 << 20)}
    read = found["bandwidth"]["read"]
    print(f"read {read / 1e12:.2f} TB/s, copy {found['bandwidth']['copy'] / 1e12:.2f} TB/s", flush=True)

    best: dict[tuple[object, ...], Any] = {}

    def keep(row: dict[str, Any]) -> dict[str, Any]:
        found["rows"].append(row)
        found["took"] = time.perf_counter() - began
        print(told(row), flush=True)
        options.output.write_text(json.dumps(found, indent=1) + "\n")
        return row

    with torch.no_grad():
        if "kernels" in options.parts:
            for group in groups(config, device, 4 if on_gpu else 2):
                if options.only in group.kernel:
                    rows = [keep(row) for row in measured(group, read)]
                    best[group.asked] = fastest(group, rows)
        if "steps" in options.parts:
            torch.cuda.empty_cache()
            for row in steps(config, CELLS, read, best):
                keep(row)
                if "kernels" in row:
                    print(json.dumps({key: row[key] for key in ("span", "idle", "launches", "kernels")}))
    print(f"{found['took']:.0f} s")


if __name__ == "__main__":
    main()
