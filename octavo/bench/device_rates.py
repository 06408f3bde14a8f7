"""What a device does at most: memory read and copied, and matrices multiplied, measured in the run that needs it."""

import importlib.util
import itertools
import statistics
import time
from collections.abc import Callable

import torch

from octavo.bench.roofline import Rates

REPEATS = 9
# Far more than a cache holds, and as large as a product of the experts; a CPU's are smaller, as its caches are.
ELEMENTS = {"cuda": 1 << 31, "cpu": 1 << 27}
PRODUCT = {"cuda": (8192, 14336, 4096), "cpu": (1024, 1024, 1024)}


def measure_rates(device: torch.device, dtype: torch.dtype, *, elements: int | None = None) -> Rates:
    """Measures a device; the best way of reading that there is counts."""
    many = elements or ELEMENTS[device.type]
    source = torch.ones(many * 2 // dtype.itemsize, dtype=dtype, device=device)
    target = torch.empty_like(source)
    copied = median_seconds(lambda: target.copy_(source), device)
    # As integers of 4 bytes: nothing is converted on the way.
    whole = source[: source.numel() // 2 * 2].view(torch.int32)
    read = source.nbytes / median_seconds(lambda: whole.sum(dtype=torch.int32), device)
    if device.type == "cuda" and importlib.util.find_spec("triton") is not None:
        from octavo.bench.reading import num_read, sums  # noqa: PLC0415 (an optional package)

        read = max(read, num_read(source) * dtype.itemsize / median_seconds(lambda: sums(source), device))
    del target, whole
    rows, inner, columns = PRODUCT[device.type]
    a, b = torch.ones(rows, inner, dtype=dtype, device=device), torch.ones(inner, columns, dtype=dtype, device=device)
    multiplied = median_seconds(lambda: a @ b, device)
    copy = 2 * source.nbytes / copied
    # Nothing that copies can be faster than what reads.
    return Rates(read=max(read, copy / 2), copy=copy, matrix=2 * rows * inner * columns / multiplied)


def best_of(one: Rates, other: Rates) -> Rates:
    """The larger of each: what a device did once it can do, and what shares it only takes away."""
    return Rates(read=max(one.read, other.read), copy=max(one.copy, other.copy), matrix=max(one.matrix, other.matrix))


def median_seconds(call: Callable[[], object], device: torch.device, *, repeats: int = REPEATS) -> float:
    """Median seconds of a call, after two that are not measured."""
    return statistics.median(seconds(call, device, repeats=repeats))


def seconds(call: Callable[[], object], device: torch.device, *, repeats: int) -> list[float]:
    """Seconds of each of so many calls, by the device's own clock where it has one."""
    for _ in range(2):
        call()
    if device.type != "cuda":
        return [_by_the_wall(call) for _ in range(repeats)]
    marks = [torch.cuda.Event(enable_timing=True) for _ in range(repeats + 1)]
    torch.cuda.synchronize(device)
    marks[0].record()
    for mark in marks[1:]:
        call()
        mark.record()
    marks[-1].synchronize()
    return [start.elapsed_time(end) / 1e3 for start, end in itertools.pairwise(marks)]


def _by_the_wall(call: Callable[[], object]) -> float:
    began = time.perf_counter()
    call()
    return time.perf_counter() - began
