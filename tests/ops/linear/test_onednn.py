"""A weight laid out by oneDNN gives the products of the plain one, small and large, in float32 and bfloat16."""

import pytest
import torch

from octavo.ops.linear import onednn

DTYPES = [dtype for dtype in (torch.float32, torch.bfloat16) if onednn.is_available(dtype)]


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("rows", [0, 1, 2, 17])
def test_a_large_weight_is_laid_out_and_gives_the_same_products(dtype: torch.dtype, rows: int) -> None:
    x_TI, weight_OI = torch.randn(rows, 1031).to(dtype), torch.randn(1021, 1031).to(dtype)
    laid_out = onednn.lay_out(weight_OI)
    assert laid_out.is_mkldnn
    exact = x_TI.double() @ weight_OI.double().T
    ours, plain = onednn.linear(x_TI, laid_out), x_TI @ weight_OI.T
    assert ours.dtype == dtype
    assert (ours - exact).norm() <= 2 * (plain - exact).norm() + 1e-6 * exact.norm()


def test_a_small_weight_stays_as_it_is() -> None:
    weight_OI = torch.randn(7, 5)
    assert onednn.lay_out(weight_OI) is weight_OI
    x_TI = torch.randn(3, 5)
    torch.testing.assert_close(onednn.linear(x_TI, weight_OI), x_TI @ weight_OI.T)


def test_float16_is_left_to_the_reference() -> None:
    assert not onednn.is_available(torch.float16)
