"""The kernel that only reads reads all of it."""

import pytest
import torch

pytest.importorskip("triton")

from octavo.bench.reading import BLOCK, num_read, sums


def test_every_program_adds_up_its_own_run() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    x = torch.arange(3 * 2 * BLOCK + 17, device=device).remainder(7).float()
    assert num_read(x, 3) == 3 * 2 * BLOCK
    assert torch.equal(sums(x, 3), x[: 3 * 2 * BLOCK].view(3, -1).sum(dim=1))
