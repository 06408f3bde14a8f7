"""y = x Wᵀ."""

import torch

from octavo.ops.linear.reference import linear


def test_rows_are_mapped_by_the_transposed_weight() -> None:
    x_TI, weight_OI = torch.randn(3, 5), torch.randn(7, 5)
    torch.testing.assert_close(linear(x_TI, weight_OI), x_TI @ weight_OI.T)
