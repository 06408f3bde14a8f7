"""The GPU's products of few rows equal the reference, with the norm and the residual on their way."""

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("triton")

from octavo.ops.linear import reference
from octavo.ops.linear.triton import Tile, linear, linear_add, norm_linear, tile_for
from octavo.ops.norm.reference import norm

EPS = 1e-5
TILES = [
    None,
    Tile(outputs=16, inputs=32, tokens=16, warps=4, stages=2),
    Tile(outputs=16, inputs=128, tokens=32, warps=4, stages=1),
    Tile(outputs=32, inputs=16, tokens=16, warps=4, stages=3, parts=3),
]
pytestmark = pytest.mark.usefixtures("poison")


def _inputs(tokens: int, device: str, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    drawn = torch.randn(tokens, 72), torch.randn(45, 72), torch.rand(72), torch.randn(tokens, 45)
    return [x.to(device, dtype) for x in drawn]


@pytest.mark.parametrize("tile", TILES, ids=["own", "small", "all at once", "in parts"])
@pytest.mark.parametrize("tokens", [1, 3, 19])
def test_in_float32_it_equals_the_reference(tokens: int, tile: Tile | None, device: str) -> None:
    x_TD, weight_OD, norm_D, residual_TO = _inputs(tokens, device)
    assert_close(linear(x_TD, weight_OD, tile=tile), reference.linear(x_TD, weight_OD))
    wanted = residual_TO + reference.linear(norm(x_TD, norm_D, EPS), weight_OD)
    assert_close(linear(x_TD, weight_OD, norm=(norm_D, EPS), residual_TO=residual_TO, tile=tile), wanted)


@pytest.mark.parametrize("tokens", [1, 5])
def test_in_bfloat16_it_is_at_most_twice_as_far_off_as_the_reference(tokens: int, device: str) -> None:
    x_TD, weight_OD, norm_D, residual_TO = _inputs(tokens, device, torch.bfloat16)
    exact = [x.float() for x in (x_TD, weight_OD, norm_D, residual_TO)]
    wanted = reference.linear(norm(exact[0], exact[2], EPS), exact[1])
    theirs = reference.linear(norm(x_TD, norm_D, EPS), weight_OD)
    ours = norm_linear(x_TD, (norm_D, EPS), weight_OD)
    assert (ours - wanted).norm() <= 2 * (theirs - wanted).norm()
    wanted = exact[3] + reference.linear(exact[0], exact[1])
    theirs = residual_TO + reference.linear(x_TD, weight_OD)
    assert (linear_add(x_TD, weight_OD, residual_TO) - wanted).norm() <= 2 * (theirs - wanted).norm()


def test_rows_may_stand_apart_and_none_may_come(device: str) -> None:
    x_TD, weight_OD, _, _ = _inputs(6, device)
    assert_close(linear(x_TD[::2], weight_OD), reference.linear(x_TD[::2], weight_OD))
    assert linear(x_TD[:0], weight_OD).shape == (0, 45)


def test_a_row_that_is_not_dense_is_refused(device: str) -> None:
    x_TD, weight_OD, _, _ = _inputs(6, device)
    with pytest.raises(ValueError, match="rows must be dense"):
        linear(x_TD, weight_OD.T.contiguous().T)


@pytest.mark.parametrize("tokens", [1, 8, 64, 256])
@pytest.mark.parametrize("outputs", [4096, 6144, 32000])
def test_every_size_has_a_tile_for_its_rows(tokens: int, outputs: int) -> None:
    tile = tile_for(tokens, outputs)
    assert tile.tokens == (1 if tokens == 1 else max(16, min(tokens, 64)))
