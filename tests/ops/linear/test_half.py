"""A weight that float16 holds exactly gives float32's products; any other is not packed."""

import pytest
import torch

from octavo.ops.linear import half

pytestmark = pytest.mark.skipif(not half.is_available(), reason="needs FBGEMM, which this build of torch lacks")


def bfloat16_weight(rows: int, columns: int, std: float = 0.05) -> torch.Tensor:
    return (std * torch.randn(rows, columns)).bfloat16().float()


def packed(weight_OI: torch.Tensor) -> half.HalfWeight:
    found = half.pack(weight_OI)
    assert found is not None
    return found


@pytest.mark.parametrize("std", [1e-6, 0.05, 300.0, 1e30])
@pytest.mark.parametrize("rows", [1, 2, 17, 300])
def test_a_bfloat16_weight_gives_the_products_of_float32(rows: int, std: float) -> None:
    x_TI, weight_OI = torch.randn(rows, 131), bfloat16_weight(101, 131, std)
    exact = x_TI.double() @ weight_OI.double().T
    ours, plain = half.linear(x_TI, packed(weight_OI)), x_TI @ weight_OI.T
    assert ours.dtype == torch.float32
    assert (ours - exact).norm() <= 2 * (plain - exact).norm() + 1e-6 * exact.norm()


def test_no_rows_give_no_rows() -> None:
    assert half.linear(torch.empty(0, 131), packed(bfloat16_weight(101, 131))).shape == (0, 101)


def test_rows_that_do_not_lie_side_by_side_are_read_right() -> None:
    weight_OI = bfloat16_weight(70, 64)
    x_TI = torch.randn(5, 200)[:, ::3][:, :64]
    torch.testing.assert_close(half.linear(x_TI, packed(weight_OI)), x_TI @ weight_OI.T)


def test_the_smallest_of_a_wide_range_is_kept() -> None:
    weight_OI = torch.zeros(64, 64)
    weight_OI[0, 0], weight_OI[1, 1] = 1.0, 2.0**-30
    found = half.linear(torch.eye(64), packed(weight_OI))
    assert torch.equal(found, weight_OI.T)


@pytest.mark.parametrize(
    "weight_OI",
    [
        torch.full((64, 64), 1 / 3),
        torch.full((64, 64), torch.inf),
        torch.full((64, 64), torch.nan),
        torch.diag(torch.tensor([1.0] * 63 + [2.0**-45])),
        torch.ones(64, 64).bfloat16(),
        torch.ones(4, 4),
    ],
    ids=["more bits", "infinite", "not a number", "too wide a range", "another type", "small"],
)
def test_what_float16_cannot_hold_is_left_alone(weight_OI: torch.Tensor) -> None:
    assert half.pack(weight_OI) is None


def test_zeros_are_a_weight_too() -> None:
    assert torch.equal(half.linear(torch.randn(3, 64), packed(torch.zeros(64, 64))), torch.zeros(3, 64))
