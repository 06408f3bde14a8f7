"""Each weight goes to the layout that reads it fastest, and every layout gives the same products."""

import pytest
import torch

from octavo.ops.linear import cpu, half, onednn
from octavo.ops.linear.half import HalfWeight


def test_a_bfloat16_weight_in_float32_is_kept_in_float16() -> None:
    if not half.is_available():
        pytest.skip("this build of torch has no FBGEMM")
    assert isinstance(cpu.lay_out(torch.randn(64, 64).bfloat16().float()), HalfWeight)


def test_other_weights_are_onednns() -> None:
    if not onednn.is_available(torch.float32):
        pytest.skip("this build of torch has no oneDNN")
    small, large = torch.randn(64, 64), torch.randn(1024, 1024)
    assert cpu.lay_out(small) is small
    laid_out = cpu.lay_out(large)
    assert isinstance(laid_out, torch.Tensor)
    assert laid_out.is_mkldnn


def test_without_fbgemm_a_bfloat16_weight_is_onednns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(half, "is_available", lambda: False)
    weight_OI = torch.randn(64, 64).bfloat16().float()
    assert cpu.lay_out(weight_OI) is weight_OI


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize("rows", [1, 6])
def test_every_layout_gives_the_same_products(rows: int, exact: bool) -> None:
    weight_OI = torch.randn(1031, 1033) / 30
    weight_OI = weight_OI.bfloat16().float() if exact else weight_OI
    x_TI = torch.randn(rows, 1033)
    torch.testing.assert_close(cpu.linear(x_TI, cpu.lay_out(weight_OI)), x_TI @ weight_OI.T, atol=1e-5, rtol=1e-5)
