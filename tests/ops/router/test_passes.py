"""The router without a sort decides as the sorting one, gradients too."""

import pytest
import torch
from torch.testing import assert_close

from octavo.ops.router import passes
from octavo.ops.router import reference as router_reference

T, D, E = 37, 16, 8
DEVICES = [
    pytest.param("cpu"),
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
    ),
]


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("device", DEVICES)
def test_the_router_in_passes_decides_as_the_sorting_router(k, device):
    generator = torch.Generator().manual_seed(4)
    x_TD = torch.randn(T, D, generator=generator).to(device)
    gate_ED = torch.randn(E, D, generator=generator).to(device)
    gate_ED[3] = gate_ED[6]  # two experts that tie on every token
    leaves = [x_TD.requires_grad_(), gate_ED.requires_grad_()]
    ours, want = passes.router(x_TD, gate_ED, k), router_reference.router(x_TD, gate_ED, k)
    assert ours.expert_TK.tolist() == want.expert_TK.tolist()
    assert_close(ours.weight_TK, want.weight_TK)
    probe_TK = torch.randn(T, k, generator=generator).to(device)
    for x, y in zip(
        torch.autograd.grad(ours.weight_TK, leaves, probe_TK),
        torch.autograd.grad(want.weight_TK, leaves, probe_TK),
        strict=True,
    ):
        assert_close(x, y)


def test_a_row_that_is_not_a_number_still_goes_to_an_expert_that_exists():
    x_TD = torch.full((3, D), torch.nan)
    assert passes.router(x_TD, torch.ones(E, D), 2).expert_TK.max() < E
