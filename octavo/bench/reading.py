"""The fastest that memory is read: many programs, each of which adds up a run of numbers. Needs Triton."""

from typing import no_type_check

import torch
import triton
import triton.language as tl
from torch import Tensor

PROGRAMS, BLOCK = 132 * 32, 4096


@triton.jit
@no_type_check
def _read(x_ptr, y_ptr, rounds, BLOCK: tl.constexpr):
    place = tl.program_id(0).to(tl.int64) * rounds * BLOCK + tl.arange(0, BLOCK)
    total = tl.zeros((BLOCK,), tl.float32)
    for turn in tl.range(0, rounds, num_stages=4):
        total += tl.load(x_ptr + place + turn * BLOCK).to(tl.float32)
    tl.store(y_ptr + tl.program_id(0), tl.sum(total))


def sums(x: Tensor, programs: int = PROGRAMS) -> Tensor:
    """The sum of each of ``programs`` equal runs of ``x``; what is over at the end is not read."""
    rounds = x.numel() // programs // BLOCK
    y = torch.zeros(programs, device=x.device)
    _read[(programs,)](x, y, rounds, BLOCK=BLOCK, num_warps=4)
    return y


def num_read(x: Tensor, programs: int = PROGRAMS) -> int:
    """How many numbers ``sums`` reads."""
    return x.numel() // programs // BLOCK * programs * BLOCK
