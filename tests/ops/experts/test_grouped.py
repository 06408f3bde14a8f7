"""The grouped experts compute what the reference computes, gradients too."""

import pytest
import torch
from torch.testing import assert_close

from octavo.ops.experts import grouped
from octavo.ops.experts import reference as experts_reference

T, D, F, E, K = 37, 16, 24, 8, 2
DEVICES = [
    pytest.param("cpu"),
    pytest.param(
        "cuda", marks=[pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")]
    ),
]


def _choices(kind: str) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    if kind == "spread":
        return torch.rand(T, E, generator=generator).argsort(dim=-1)[:, :K]
    if kind == "an idle expert":
        return torch.rand(T, E - 1, generator=generator).argsort(dim=-1)[:, :K]
    return torch.tensor([[5, 2]]).expand(T, K).contiguous()


def _inputs(kind: str, dtype: torch.dtype, device: str) -> tuple[torch.Tensor, ...]:
    generator = torch.Generator().manual_seed(2)
    x_TD = torch.randn(T, D, generator=generator)
    weight_TK = torch.rand(T, K, generator=generator)
    w13_EID = torch.randn(E, 2 * F, D, generator=generator) / D**0.5
    w2_EDF = torch.randn(E, D, F, generator=generator) / F**0.5
    leaves = [
        x.to(device, t) for x, t in ((x_TD, dtype), (weight_TK, torch.float32), (w13_EID, dtype), (w2_EDF, dtype))
    ]
    x_TD, weight_TK, w13_EID, w2_EDF = (x.requires_grad_() for x in leaves)
    return x_TD, _choices(kind).to(device), weight_TK, w13_EID, w2_EDF


def _gradients(op: object, inputs: tuple[torch.Tensor, ...]) -> list[torch.Tensor]:
    y_TD = op(*inputs)  # type: ignore[operator]
    probe_TD = torch.randn(T, D, generator=torch.Generator().manual_seed(3)).to(y_TD)
    leaves = [x for x in inputs if x.requires_grad]
    return [y_TD.detach(), *torch.autograd.grad(y_TD, leaves, probe_TD, materialize_grads=True)]


@pytest.mark.parametrize("kind", ["spread", "an idle expert", "one pair for all"])
@pytest.mark.parametrize("device", DEVICES)
def test_grouped_experts_and_their_gradients_are_at_most_twice_as_far_off_as_the_reference(kind, device):
    exact = _gradients(experts_reference.experts, _inputs(kind, torch.float32, device))
    theirs = _gradients(experts_reference.experts, _inputs(kind, torch.bfloat16, device))
    ours = _gradients(grouped.experts, _inputs(kind, torch.bfloat16, device))
    for name, x, reference, want in zip(("y", "x", "weight", "w13", "w2"), ours, theirs, exact, strict=True):
        allowed = 2 * (reference.float() - want).norm() + 1e-6 * want.norm()
        assert (x.float() - want).norm() <= allowed, name


@pytest.mark.parametrize("kind", ["spread", "an idle expert", "one pair for all"])
def test_in_float32_grouped_experts_equal_the_reference(kind):
    exact = _gradients(experts_reference.experts, _inputs(kind, torch.float32, "cpu"))
    ours = _gradients(grouped.experts, _inputs(kind, torch.float32, "cpu"))
    for x, want in zip(ours, exact, strict=True):
        assert_close(x, want)


def test_the_counting_sort_is_the_stable_sort():
    expert_TK = _choices("an idle expert")
    place_TK, order_N, end_E = grouped.places(expert_TK, E)
    assert order_N.tolist() == expert_TK.flatten().argsort(stable=True).tolist()
    assert order_N[place_TK.flatten()].tolist() == list(range(T * K))
    assert end_E.tolist() == expert_TK.flatten().bincount(minlength=E).cumsum(0).tolist()
