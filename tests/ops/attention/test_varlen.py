"""FlashAttention over packed sequences against the reference: grouped heads, empty sequences, windows, gradients."""

import pytest
import torch
from torch import Tensor

from octavo.batch import Batch
from octavo.ops import Ops
from octavo.ops.attention import reference, varlen

LENGTHS = [70, 1, 0, 129, 64, 17, 0]
Q, G, H = 4, 2, 64

needs_a_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def gradients(attend: object, dtype: torch.dtype, window: int | None) -> list[Tensor]:
    """The answer and the gradients of queries, keys and values, from the same draws in every dtype."""
    tokens = sum(LENGTHS)
    generator = torch.Generator().manual_seed(0)
    starts = torch.tensor([0, *LENGTHS]).cumsum(0).int().cuda()
    batch = Batch(torch.zeros(tokens).cuda(), torch.zeros(tokens).cuda(), starts, max(LENGTHS))
    leaves = [
        torch.randn(tokens, heads, H, generator=generator).to("cuda", dtype).requires_grad_() for heads in (Q, G, G)
    ]
    said_TQH = attend(*leaves, batch, window)  # type: ignore[operator]
    probe_TQH = torch.randn(tokens, Q, H, generator=generator).to(said_TQH)
    return [said_TQH.detach(), *torch.autograd.grad(said_TQH, leaves, probe_TQH)]


@pytest.mark.gpu
@needs_a_gpu
@pytest.mark.parametrize("window", [None, 1, 33, 500])
def test_it_is_at_most_twice_as_far_off_as_the_reference_in_bfloat16(window: int | None) -> None:
    exact = gradients(reference.packed_attention, torch.float32, window)
    theirs = gradients(reference.packed_attention, torch.bfloat16, window)
    ours = gradients(varlen.packed_attention, torch.bfloat16, window)
    for x, plain, wanted in zip(ours, theirs, exact, strict=True):
        assert (x.float() - wanted).norm() <= 2 * (plain.float() - wanted).norm() + 1e-6 * wanted.norm()


def test_it_has_the_signature_of_the_reference() -> None:
    names = varlen.packed_attention.__code__.co_varnames[:5]
    assert names == reference.packed_attention.__code__.co_varnames[:5]
    assert "packed_attention" in Ops.__slots__
