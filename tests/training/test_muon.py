"""Muon's steps have singular values near 1, and are the same whether matrices come together or alone."""

import pytest
import torch
from torch.testing import assert_close

from octavo.training.muon import Muon, orthogonalise


@pytest.mark.parametrize("shape", [(3, 8, 8), (2, 6, 20), (2, 20, 6), (1, 1, 5)])
def test_singular_values_come_near_one_and_directions_stay(shape):
    x_NRC = torch.randn(shape)
    y_NRC = orthogonalise(x_NRC)
    values = torch.linalg.svdvals(y_NRC)
    assert values.min() > 0.5 and values.max() < 1.3
    u, _, v = torch.linalg.svd(x_NRC, full_matrices=False)
    # The iteration changes the singular values only.
    assert_close(u.mT @ y_NRC @ v.mT, torch.diag_embed(torch.diagonal(u.mT @ y_NRC @ v.mT, 0, 1, 2)), atol=2e-2, rtol=0)


def test_a_gradient_of_zero_stays_zero():
    assert orthogonalise(torch.zeros(2, 4, 6)).abs().max() == 0


def test_matrices_of_one_shape_are_stepped_as_if_alone():
    start = [torch.randn(2, 4, 6), torch.randn(1, 4, 6), torch.randn(1, 5, 5)]
    grads = [torch.randn_like(x) for x in start]
    together = [x.clone() for x in start]
    muon = Muon(together, momentum=0.9, weight_decay=0.1)
    for _ in range(3):
        muon.step(grads, 0.1)
    for x, grad, want in zip(start, grads, together, strict=True):
        alone = [x.clone()]
        one = Muon(alone, momentum=0.9, weight_decay=0.1)
        for _ in range(3):
            one.step([grad], 0.1)
        assert_close(alone[0], want)


def test_the_first_step_is_the_formula():
    x, grad = torch.randn(1, 4, 9), torch.randn(1, 4, 9)
    stepped = [x.clone()]
    Muon(stepped, momentum=0.9, weight_decay=0.5).step([grad], 0.01)
    assert_close(stepped[0], x * (1 - 0.005) - 0.01 * 0.2 * 3 * orthogonalise(grad * 1.9))
