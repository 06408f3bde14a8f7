"""How a GPU's kernels are checked and timed: poisoned outputs, captured graphs, medians, and what memory can give."""

import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
import triton
import triton.language as tl

from octavo.ops.launch import options

Run = Callable[[int], torch.Tensor]


@contextmanager
def poisoned() -> Iterator[None]:
    """Fills what ``torch.empty`` gives with NaN, so that an output that is not written fails its check."""
    empty = torch.empty

    def fill(*shape: Any, **kinds: Any) -> torch.Tensor:
        fresh = empty(*shape, **kinds)
        return fresh.fill_(float("nan") if fresh.is_floating_point() else -77)

    torch.empty = fill  # type: ignore[assignment]
    try:
        yield
    finally:
        torch.empty = empty


def error(found: torch.Tensor, exact: torch.Tensor) -> float:
    """‖found − exact‖ / ‖exact‖; NaN where anything is."""
    return float((found.float() - exact).norm() / exact.norm())


def seconds(run: Run, sets: int, *, repeats: int = 15, least: float = 2e-3) -> dict[str, float]:
    """Seconds a call: median, 10th and 90th percentile, from replays of a graph of calls.

    They take turns over ``sets``. A graph holds as many rounds as take ``least`` seconds. On a CPU a call is timed
    once, by the clock.
    """
    if not torch.cuda.is_available():
        start = time.perf_counter()
        run(0)
        return {"seconds": time.perf_counter() - start}
    for turn in range(min(sets, 2)):
        run(turn)
    torch.cuda.synchronize()
    rounds, graph = 1, _captured(run, sets, 1)
    once = min(_replayed(graph) for _ in range(3))
    if once < least:
        rounds = int(least / once) + 1
        graph = _captured(run, sets, rounds)
    _replayed(graph)
    each = sorted(_replayed(graph) / (sets * rounds) for _ in range(repeats))
    return {"seconds": statistics.median(each), "p10": each[repeats // 10], "p90": each[-1 - repeats // 10]}


def _captured(run: Run, sets: int, rounds: int) -> torch.cuda.CUDAGraph:
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for turn in range(sets * rounds):
            run(turn % sets)
    return graph


def _replayed(graph: torch.cuda.CUDAGraph) -> float:
    start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
    start.record()
    graph.replay()
    end.record()
    end.synchronize()
    return start.elapsed_time(end) / 1e3


@triton.jit
def _read(x_ptr, y_ptr, rounds, BLOCK: tl.constexpr, OVERLAP: tl.constexpr, INTERPRETED: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * rounds * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for turn in tl.range(0, rounds, num_stages=4):
        total += tl.load(x_ptr + place + turn * BLOCK).to(tl.float32)
    tl.store(y_ptr + tl.program_id(0), tl.sum(total))


def bandwidth(device: torch.device, size: int = 1 << 31) -> dict[str, float]:
    """Bytes a second: copying ``size`` bfloat16, read plus written, and reading them."""
    source = torch.randn(size, dtype=torch.bfloat16, device=device)
    target, sums = torch.zeros_like(source), torch.zeros(132 * 32, device=device)
    rounds = size // sums.numel() // 4096

    def copy(_: int) -> torch.Tensor:
        return target.copy_(source)

    def read(_: int) -> torch.Tensor:
        _read[(sums.numel(),)](source, sums, rounds, BLOCK=4096, num_warps=4, **options(device))
        return sums

    if not torch.cuda.is_available():
        return {"copy": 1e9, "read": 1e9}
    copied, was_read = seconds(copy, 1)["seconds"], seconds(read, 1)["seconds"]
    return {"copy": 4 * size / copied, "read": 2 * rounds * 4096 * sums.numel() / was_read}
