"""What the kernels share: sizes, options, rounding, and how the programs of one kernel meet."""

import pytest
import torch

triton = pytest.importorskip("triton")

import triton.language as tl  # noqa: E402

from octavo.ops.launch import is_last, narrow, options, power_of_two, product  # noqa: E402


@triton.jit
def _narrow(x_ptr, y_ptr, COUNT: tl.constexpr, OVERLAP: tl.constexpr, INTERPRETED: tl.constexpr):
    n = tl.arange(0, COUNT)
    tl.store(y_ptr + n, narrow(tl.load(x_ptr + n), y_ptr, INTERPRETED))


@triton.jit
def _square(x_ptr, y_ptr, SIZE: tl.constexpr, OVERLAP: tl.constexpr, INTERPRETED: tl.constexpr):
    n = tl.arange(0, SIZE)
    x = tl.load(x_ptr + n[:, None] * SIZE + n[None, :])
    y = product(x, x, tl.zeros((SIZE, SIZE), tl.float32), INTERPRETED)
    tl.store(y_ptr + n[:, None] * SIZE + n[None, :], y)


@triton.jit
def _meet(counter_ptr, last_ptr, expected):
    if is_last(counter_ptr, expected):
        tl.atomic_add(last_ptr, 1)


@pytest.mark.parametrize(("count", "least", "power"), [(1, 1, 1), (3, 1, 4), (16, 1, 16), (17, 1, 32), (3, 16, 16)])
def test_a_block_is_the_next_power_of_two(count: int, least: int, power: int) -> None:
    assert power_of_two(count, least) == power


def test_only_the_interpreter_is_told_that_it_is_one(device: str) -> None:
    assert options(torch.device(device))["INTERPRETED"] == (device == "cpu")


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_rounding_is_that_of_torch(dtype: torch.dtype, device: str) -> None:
    x = torch.randn(256, device=device) * torch.logspace(-30, 30, 256, device=device)
    # Halfway between two bfloat16: to the even one, up and down; a carry into the exponent; infinity.
    x[:6] = torch.tensor([1 + 2**-8, 1 + 3 * 2**-8, -1 - 2**-8, 2 - 2**-9, float("inf"), 0.0])
    y = torch.empty(256, dtype=dtype, device=device)
    _narrow[(1,)](x, y, COUNT=256, **options(x.device))
    assert torch.equal(y, x.to(dtype))


def test_a_product_of_bfloat16_is_summed_in_float32(device: str) -> None:
    x = torch.randn(16, 16).to(device, torch.bfloat16)
    y = torch.empty(16, 16, device=device)
    _square[(1,)](x, y, SIZE=16, **options(x.device))
    torch.testing.assert_close(y, x.float() @ x.float())


def test_one_program_is_the_last_and_the_counter_starts_anew(device: str) -> None:
    counter, last = torch.zeros(2, 1, dtype=torch.int32, device=device)
    for times in (1, 2):
        _meet[(7,)](counter, last, 7)
        assert (int(counter), int(last)) == (0, times)
