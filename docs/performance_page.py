"""Writes docs/performance.md from benchmarks/results: ``python docs/performance_page.py``. A test compares the two.

A figure that nobody has measured is called that; none is written here by hand but those of others, with their source.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

PAGE = Path(__file__).parent / "performance.md"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results"
# Phase, weights, batch, context, and the best of the others at that: vLLM 0.26.0, at batch 1 gpt-fast in bfloat16.
CELLS: tuple[tuple[str, str, int, int, float | None], ...] = (
    ("decode", "bf16", 1, 512, 135.8),
    ("decode", "bf16", 8, 512, 381),
    ("decode", "bf16", 64, 512, 2620),
    ("decode", "bf16", 256, 512, 7916),
    ("decode", "bf16", 1, 4096, 124.1),
    ("decode", "bf16", 64, 4096, 2064),
    ("prefill", "bf16", 1, 2048, 18490),
    ("prefill", "bf16", 8, 2048, 20821),
    ("decode", "fp8", 1, 512, 162),
    ("decode", "fp8", 8, 512, 607),
    ("decode", "fp8", 64, 512, 4168),
    ("decode", "fp8", 256, 512, 11603),
    ("prefill", "fp8", 8, 2048, 35419),
    ("layer", "bf16", 16384, 0, 16384 / 20369e-6),
)
UNKNOWN = "not measured yet"
KERNELS = "<!-- kernels -->"


def read(name: str) -> list[dict[str, Any]]:
    """The documents of a folder of results."""
    paths = sorted((RESULTS / name).glob("*.json"))
    return [json.loads(path.read_text(encoding="utf-8")) for path in paths]


def figure(value: float) -> str:
    """A speed with as many digits as mean something."""
    return f"{value:,.1f}" if value < 1000 else f"{value:,.0f}"


def short_commit(commit: str) -> str:
    """A commit's first digits, and whether files differed from it."""
    return commit[:10] + (" with changes" if commit.endswith("-dirty") else "")


def beside_transformers() -> Iterator[str]:
    """octavo-mini on a CPU beside transformers."""
    found = json.loads((RESULTS / "cpu.json").read_text(encoding="utf-8"))
    yield "| | octavo | transformers | ratio |"
    yield "|---|---:|---:|---:|"
    for row in found["figures"]:
        ours, theirs, ratio = (_median(row[key]) for key in ("octavo", "transformers", "ratio"))
        unit = "" if row["unit"] == "tokens per second" else f" ({row['unit']})"
        yield f"| {row['figure']}{unit} | {figure(ours)} | {figure(theirs)} | {ratio:.2f} |"
    yield ""
    yield (
        f"*{found['device']}, {found['threads']} threads; torch {found['torch']}, "
        f"transformers {found['transformers']}; "
        f"medians of {found['rounds']} rounds in turns; commit {found['commit'][:10]}, {found['date']}.*"
    )


def _median(value: Any) -> float:
    return float(value["median"] if isinstance(value, dict) else value)


def engine(documents: list[dict[str, Any]]) -> Iterator[str]:
    """The engine's figures beside their rooflines, one table a run."""
    for document in documents:
        rows = document["rows"]
        yield "| shape | phase | weights | batch | context | experts | telemetry | tokens/s | roofline | share | ± |"
        yield "|---|---|---|---:|---:|---:|---|---:|---:|---:|---:|"
        for row in rows:
            yield _row(row)
        yield ""
        yield from _provenance(document)


def _row(row: dict[str, Any]) -> str:
    speed, roofline = row["tokens_per_second"], row["roofline"]
    phase = row["phase"]
    if phase == "startup":
        phase = f"start-up, {row['check'].split()[1]}"
    told = f"{1 / speed:.2f} s" if row["phase"] == "startup" else figure(speed)
    touched = "–" if row["experts_touched"] is None else f"{row['experts_touched']:.2f}"
    most, share = ("–", "–") if roofline is None else (figure(roofline), f"{speed / roofline:.0%}")
    cells = [row["shape"], phase, row["weights"], f"{row['batch']:,}", f"{row['context']:,}" if row["context"] else "–"]
    return f"| {' | '.join([*cells, touched, row['telemetry'], told, most, share])} | {row['spread']:.0%} |"


def _provenance(document: dict[str, Any]) -> Iterator[str]:
    rates = document["rates"]
    measured = ""
    if rates is not None:
        measured = (
            f" read {rates['read'] / 1e9:,.1f} GB/s, copy {rates['copy'] / 1e9:,.1f} GB/s, "
            f"products {rates['matrix'] / 1e9:,.0f} GFLOP/s;"
        )
    yield (
        f"*`{document['benchmark']}` on {document['device']}, {document['threads']} of {document['cores']} cores;"
        f"{measured} load average {document['load']:.1f}; torch {document['torch']}; "
        f"commit {short_commit(document['commit'])}, {document['date']}.*"
    )
    for row in document["rows"]:
        if "on/off" in row["check"] and row["telemetry"] == "on":
            yield ""
            yield f"Telemetry at batch {row['batch']}: {row['check'].split('; ')[-1]}."
    yield ""


def gpu(documents: list[dict[str, Any]]) -> Iterator[str]:
    """Mixtral-8x7B on one H200: what is there, and what nobody has measured."""
    rows = {
        (row["phase"], row["weights"], row["batch"], row["context"]): row
        for document in documents
        for row in document["rows"]
        if row["shape"] == "mixtral-8x7b" and row["telemetry"] == ("off" if row["phase"] == "layer" else "on")
    }
    yield "| phase | weights | batch | context | best of the others | octavo, tokens/s | roofline | share | day |"
    yield "|---|---|---:|---:|---:|---:|---:|---:|---|"
    for phase, weights, batch, context, others in CELLS:
        row = rows.get((phase, weights, batch, context))
        start = f"| {phase} | {weights} | {batch:,} | {context or '–'} | {'–' if others is None else figure(others)} |"
        if row is None:
            yield f"{start} {UNKNOWN} | | | |"
            continue
        share = row["tokens_per_second"] / row["roofline"]
        told = f"{figure(row['tokens_per_second'])} | {figure(row['roofline'])} | {share:.1%}"
        yield f"{start} {told} | {row['date']}, {short_commit(row['commit'])} |"


def gpu_others(documents: list[dict[str, Any]]) -> Iterator[str]:
    """Start-up and what telemetry costs on one H200."""
    for what, is_one in (
        ("Start-up", lambda row: row["phase"] == "startup"),
        ("Telemetry on against off", lambda row: "on/off" in row["check"]),
    ):
        found = [each for each in documents if any(is_one(row) for row in each["rows"])]
        yield from engine(found) if found else [f"{what}: {UNKNOWN}.", ""]


def kernels() -> Iterator[str]:
    """A decoding step's kernels alone, as one captured graph, the fastest of the ways that were tried."""
    path = RESULTS / "gpu" / "kernels.json"
    if not path.exists():
        yield UNKNOWN
        return
    found = json.loads(path.read_text(encoding="utf-8"))
    best: dict[tuple[int, int], dict[str, Any]] = {}
    for row in found["rows"]:
        cell = row["batch"], row["context"]
        is_step = row["kernel"] == "step" and "tokens_per_second" in row
        if is_step and row["tokens_per_second"] > best.get(cell, {"tokens_per_second": 0})["tokens_per_second"]:
            best[cell] = row
    yield "| batch | context | experts | tokens/s | roofline | share | way |"
    yield "|---:|---:|---:|---:|---:|---:|---|"
    for (batch, context), row in sorted(best.items(), key=lambda each: (each[0][1], each[0][0])):
        told = (
            f"{figure(row['tokens_per_second'])} | {figure(batch / row['floor'])} | {row['floor'] / row['seconds']:.1%}"
        )
        yield f"| {batch} | {context:,} | {row['experts_touched']:.2f} | {told} | {row['way']} |"
    yield ""
    yield (
        f"*{found['device']}, read {found['bandwidth']['read'] / 1e12:.2f} TB/s in the same run; "
        f"torch {found['torch']}, triton {found['triton']}; commit {found['commit'][:10]}, {found['date']}.*"
    )


def page() -> str:
    """The whole page: the prose, with a table in the place of each name in double braces."""
    tables = {
        "beside_transformers": beside_transformers(),
        "engine_cpu": engine(read("engine-cpu")),
        "gpu": gpu(read("engine-h200")),
        "gpu_others": gpu_others(read("engine-h200")),
        "kernels": iter([KERNELS, "", *kernels(), "", KERNELS]),
    }
    text = OPENING
    for name, lines in tables.items():
        text = text.replace(f"{{{{{name}}}}}", "\n".join(lines).strip())
    return text


OPENING = """\
# How fast it is, and how fast it could be

The bar is physical: the bytes that a step must read and the operations that it must do. Every figure of the engine
stands beside that limit, computed from the bandwidth and the matrix rate that the same run measured on the same
device.

## What is measured

`octavo bench decode` times whole steps of the engine that `LLM` uses: the scheduler, the forward, greedy sampling,
and the routing of every token, experts and weights, handed out as arrays. `prefill` reads prompts from nothing to
the first token of the last of them; `throughput` works off a pile of requests; `layer` is one layer of experts
with its norm and router; `telemetry` compares steps with and without the recording of routes; `startup` starts
processes. `--shape` takes a published shape or a folder, `--random-weights` makes N(0, 0.02) on the device. Random
weights measure speed, never quality: they spread routing over all experts, so a real model touches fewer.

- **Checked first.** The shape is cut to two layers, and a step of the sizes that will run is compared with the
  reference operations in float32: the error of the logits is at most twice that of the reference in the same
  dtype, or 1e-5 in float32. Rows in which another expert was chosen do not count, and their margin must be within
  what the dtype explains. What is red is not timed.
- **Contexts.** Keys and values of a context are random, as large as random weights make them, and named as if they
  had been read, so that prefix caching finds them. What routes is the tokens of the steps themselves. `--context`
  is the context halfway through the timed steps.
- **The roofline.** Tokens over the larger of bytes / bandwidth and operations / matrix rate. Bytes: attention,
  router, norms and head once, the experts that the run's own steps touched (counted in steps that are not timed)
  once, and the cache once. Operations: 2 a multiply-add, the head once a wanted row, attention 4 · Q · H a
  position and layer. For Mixtral-8x7B at batch 1 that is 25.5 GB and 25.5 GFLOP a token.
- **The device.** Bandwidth is that of reading 4 GiB (512 MiB on a CPU), the best of torch's sum and, on a GPU, a
  kernel that only reads; the matrix rate is that of a product of 8192 × 14336 × 4096 (1024³ on a CPU) in the
  dtype.
- **Figures** are medians; ± is half the range from the 10th to the 90th percentile. `--json` gives one row a
  figure, and `--output` keeps them with versions, commit and load.
- **Telemetry** takes turns with its absence, step by step on the same sequences, in one process; the cost is the
  median of the paired ratios, with the 95 % interval of the median's order statistics.

## octavo-mini on a CPU, beside transformers

Both in float32 on the same folder, `python benchmarks/cpu.py`, which refuses to time when the two disagree on the
greedy tokens or on the loss. Tokens a second unless another unit is named.

{{beside_transformers}}

## octavo-mini on a CPU, beside the limits of the machine

The machine has two cores and other work, more or less of it, as the load averages say, so ± is wide; one thread
runs octavo-mini. The roofline knows nothing of caches: octavo-mini's weights, kept in two bytes where float16
holds them exactly, partly stay in them. Its small steps are bound by the calls that make them up, not by the
memory; prompts come nearer to what the machine multiplies.

{{engine_cpu}}

## Mixtral-8x7B on one H200

Full shape, random weights, full engine step with telemetry. The others were measured on one H200 with torch
2.11.0+cu130: vLLM 0.26.0, at batch 1 in bf16 at context 512 gpt-fast, the layer by vLLM's fused experts.

{{gpu}}

There are no fp8 weights here yet.

{{gpu_others}}

Of a decoding step's kernels alone, without scheduler, sampling and telemetry, replayed as one captured graph,
there are figures (`benchmarks/kernels.py`); they are what a captured step could reach, not what the engine reaches
now:

{{kernels}}

Anyone with an H200 can fill the table (no checkpoint is needed; each command ends in a few minutes):

<!-- not run: needs a GPU with 140 GB -->
```console
$ octavo bench decode --shape mixtral-8x7b --random-weights --batch 1,8,64,256 --context 512 \\
    -o benchmarks/results/engine-h200/decode-512.json
$ octavo bench decode --shape mixtral-8x7b --random-weights --batch 1,64 --context 4096 \\
    -o benchmarks/results/engine-h200/decode-4096.json
$ octavo bench prefill --shape mixtral-8x7b --random-weights --batch 1,8 --context 2048 \\
    -o benchmarks/results/engine-h200/prefill.json
$ octavo bench layer --shape mixtral-8x7b --batch 1,8,64,256,2048,16384 \\
    -o benchmarks/results/engine-h200/layer.json
$ octavo bench telemetry --shape mixtral-8x7b --random-weights --batch 1,64 \\
    -o benchmarks/results/engine-h200/telemetry.json
$ octavo bench startup --shape mixtral-8x7b --random-weights -o benchmarks/results/engine-h200/startup.json
$ python docs/performance_page.py
```

## Memory, and reading a checkpoint

What weights, cache, routing cache, captured graphs (none yet) and the workspace of the largest step take is
planned from the config before anything is loaded; `octavo serve` and `octavo generate --verbose` print it, `octavo
inspect` shows it without a device. Asking for more than there is ends in one line with the numbers and what to
change. The workspace is that of the operations that need most; a test runs steps and compares it with what they
took.

Weights are read in pieces through buffers of 32 MiB, pinned for a GPU, by up to eight readers (four for a CPU): a
folder of 3.2 GB of bfloat16 in seven shards, in memory-backed storage, loaded to the CPU by two readers took 65
MiB of host memory over the model itself and 1.1 to 1.4 s; mapping the files, as it was before, took 272 MiB and
1.8 s. The speed to a GPU, and the peak at the full size of Mixtral-8x7B, are not measured yet.
`benchmarks/synthetic_folder.py` writes such folders:

<!-- not run: needs 94 GB of memory-backed storage -->
```console
$ python benchmarks/synthetic_folder.py --shape mixtral-8x7b /dev/shm/mixtral
$ octavo generate /dev/shm/mixtral --verbose --experts 0 --max-tokens 32 -p "Once"
```
"""


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
