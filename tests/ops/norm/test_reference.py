"""RMSNorm against its formula in float64."""

import pytest
import torch

from octavo.ops.norm.reference import norm


@pytest.mark.parametrize("dim", [1, 7, 256])
def test_it_is_the_formula(dim: int) -> None:
    x_TD, weight_D = torch.randn(5, dim), torch.randn(dim)
    x64_TD = x_TD.double()
    wanted = x64_TD / (x64_TD.square().mean(dim=-1, keepdim=True) + 1e-5).sqrt() * weight_D
    torch.testing.assert_close(norm(x_TD, weight_D, 1e-5), wanted.float())


def test_small_bfloat16_values_do_not_vanish_in_the_mean() -> None:
    x_TD = torch.full((1, 64), 1e-3, dtype=torch.bfloat16)
    scaled = norm(x_TD, torch.ones(64, dtype=torch.bfloat16), 1e-12)
    assert scaled.dtype == torch.bfloat16
    torch.testing.assert_close(scaled.float(), torch.ones(1, 64), atol=1e-2, rtol=0)
