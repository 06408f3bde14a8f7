"""What the GPU's kernels share: how they follow one another, and how the programs of one kernel meet.

On Hopper a kernel may start while the one before it still drains (programmatic dependent launch): it asks for weights,
which nobody writes, at once, and waits before it reads what the other wrote. Tensors of a CPU run the same kernels in
Triton's interpreter, where TRITON_INTERPRET is 1 before Triton is imported.
"""

from functools import cache
from typing import Any, no_type_check

import torch
import triton
import triton.language as tl
from triton.language.extra.cuda import gdc_launch_dependents, gdc_wait

HOPPER = (9, 0)


@cache
def _overlaps(index: int) -> bool:
    return torch.cuda.get_device_capability(index) >= HOPPER


def options(device: torch.device) -> dict[str, Any]:
    """What every kernel is told of ``device``: whether it may start during the tail of the one before it, and so on."""
    interpreted = device.type == "cpu"
    if interpreted or not _overlaps(device.index or 0):
        return {"OVERLAP": False, "INTERPRETED": interpreted}
    return {"OVERLAP": True, "INTERPRETED": False, "launch_pdl": True}


def power_of_two(count: int, least: int = 1) -> int:
    """The smallest power of two that is at least ``count`` and ``least``: kernels compute in such blocks."""
    return max(least, 1 << (count - 1).bit_length())


@triton.jit
@no_type_check
def wait(OVERLAP: tl.constexpr):
    """Waits until what the kernel before this one wrote can be read, and lets the next kernel start.

    Before it a program may read what nobody writes, such as weights, and what was written before the kernel before this
    one: all of that kernel's programs have waited here by then. It must not write.
    """
    if OVERLAP:
        gdc_wait()
        gdc_launch_dependents()


@triton.jit
@no_type_check
def is_last(counter_ptr, expected):
    """Whether this program is the last of ``expected`` to come to the counter, which then starts anew.

    What the others stored before they came can be read after it.
    """
    tl.debug_barrier()
    last = tl.atomic_add(counter_ptr, 1, sem="acq_rel", scope="gpu") == expected - 1
    if last:
        tl.store(counter_ptr, 0)
    return last


@triton.jit
@no_type_check
def product(a, b, total, INTERPRETED: tl.constexpr):
    """Adds a · b to ``total`` in float32, by the matrix units where the factors are bfloat16."""
    # The interpreter multiplies bfloat16 as if it were integers.
    if INTERPRETED:
        a, b = a.to(tl.float32), b.to(tl.float32)
    return tl.dot(a, b, total, input_precision="ieee")


@triton.jit
@no_type_check
def narrow(x, like_ptr, INTERPRETED: tl.constexpr):
    """Rounds float32 to the type that ``like_ptr`` points at, to the nearest, and to even between two."""
    # The interpreter cuts off what bfloat16 does not hold.
    if INTERPRETED and like_ptr.dtype.element_ty == tl.bfloat16:
        bits = x.to(tl.uint32, bitcast=True)
        x = ((bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000).to(tl.float32, bitcast=True)
    return x.to(like_ptr.dtype.element_ty)


@triton.jit
@no_type_check
def inside(start, SIZE: tl.constexpr, BLOCK: tl.constexpr):
    """Which of the BLOCK places from ``start`` lie inside SIZE; known without asking where blocks divide it."""
    kept = tl.full((BLOCK,), True, tl.int1)
    if SIZE % BLOCK != 0:
        kept = start + tl.arange(0, BLOCK) < SIZE
    return kept


@triton.jit
@no_type_check
def prefetch(address, size):
    """Asks for ``size`` bytes at each address, a multiple of 16, to be brought into the cache, without waiting."""
    tl.inline_asm_elementwise(
        "cp.async.bulk.prefetch.L2.global [$1], $2; mov.u32 $0, 0;",
        "=r,l,r",
        [address, size],
        dtype=tl.int32,
        is_pure=False,
        pack=1,
    )
