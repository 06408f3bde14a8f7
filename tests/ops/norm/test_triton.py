"""The GPU's RMSNorm equals the reference."""

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("triton")

from octavo.ops.norm import reference
from octavo.ops.norm.triton import norm

pytestmark = pytest.mark.usefixtures("poison")


@pytest.mark.parametrize("tokens", [0, 1, 5])
def test_in_float32_it_equals_the_reference(tokens: int, device: str) -> None:
    x_TD, weight_D = torch.randn(tokens, 40, device=device), torch.rand(40, device=device)
    assert_close(norm(x_TD, weight_D, 1e-5), reference.norm(x_TD, weight_D, 1e-5))


def test_in_bfloat16_it_is_at_most_twice_as_far_off_as_the_reference(device: str) -> None:
    x_TD, weight_D = torch.randn(5, 40, device=device).bfloat16(), torch.rand(40, device=device).bfloat16()
    wanted = reference.norm(x_TD.float(), weight_D.float(), 1e-5)
    theirs = reference.norm(x_TD, weight_D, 1e-5)
    assert (norm(x_TD, weight_D, 1e-5) - wanted).norm() <= 2 * (theirs - wanted).norm()


def test_a_row_that_is_not_dense_is_refused(device: str) -> None:
    with pytest.raises(ValueError, match="rows must be dense"):
        norm(torch.randn(4, 6, device=device).T, torch.rand(4, device=device), 1e-5)
