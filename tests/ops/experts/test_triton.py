"""The GPU's experts for few tokens compute what the reference computes, whoever chose whom."""

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("triton")

from octavo.ops.experts import reference
from octavo.ops.experts.triton import Tile, experts, experts_add, tiles_for

D, F, E, K = 24, 40, 5, 2
SHARED = {"outputs": 16, "inputs": 32, "warps": 4, "stages": 2}
ONE = (Tile(**SHARED, tokens=(1, 1)), Tile(**SHARED, tokens=(1, 1)))
# Blocks of 16 or 32 rows: seventeen tokens of one expert take the one, or two of the other.
PARTED = (Tile(**SHARED, tokens=(16, 32)), Tile(**SHARED, tokens=(16, 16)))
pytestmark = pytest.mark.usefixtures("poison")


def _choices(kind: str, tokens: int) -> torch.Tensor:
    if kind == "spread":
        return torch.rand(tokens, E).argsort(dim=-1)[:, :K]
    if kind == "idle":
        return torch.rand(tokens, E - 2).argsort(dim=-1)[:, :K] + 1
    return torch.tensor([[4, 2]]).expand(tokens, K).contiguous()


def _inputs(kind: str, tokens: int, device: str) -> list[torch.Tensor]:
    drawn = torch.randn(tokens, D), _choices(kind, tokens), torch.rand(tokens, K)
    weights = torch.randn(E, 2 * F, D) / D**0.5, torch.randn(E, D, F) / F**0.5
    return [x.to(device) for x in (*drawn, *weights)]


@pytest.mark.parametrize(
    ("tokens", "tiles"),
    [(1, None), (1, ONE), (1, PARTED), (3, None), (3, PARTED), (17, PARTED)],
    ids=["1", "1 small", "1 with matrix units", "3", "3 small", "17"],
)
@pytest.mark.parametrize("kind", ["spread", "idle", "one pair for all"])
def test_in_float32_they_equal_the_reference(
    kind: str, tokens: int, tiles: tuple[Tile, Tile] | None, device: str
) -> None:
    inputs = _inputs(kind, tokens, device)
    assert_close(experts(*inputs, tiles=tiles), reference.experts(*inputs))


@pytest.mark.parametrize("tokens", [1, 3])
def test_in_bfloat16_they_are_at_most_twice_as_far_off_as_the_reference(tokens: int, device: str) -> None:
    inputs = _inputs("spread", tokens, device)
    residual_TD = torch.randn(tokens, D, device=device).bfloat16()
    rounded = [x.bfloat16() if i in (0, 3, 4) else x for i, x in enumerate(inputs)]
    exact = [x.float() if i != 1 else x for i, x in enumerate(rounded)]
    wanted = residual_TD + reference.experts(*exact)
    theirs = residual_TD + reference.experts(*rounded)
    x_TD, expert_TK, weight_TK, w13_EID, w2_EDF = rounded
    ours = experts_add(x_TD, (expert_TK, weight_TK), w13_EID, w2_EDF, residual_TD)
    assert (ours - wanted).norm() <= 2 * (theirs - wanted).norm()


def test_the_same_sum_comes_out_in_every_run(device: str) -> None:
    inputs = _inputs("spread", 7, device)
    first = experts(*inputs, tiles=PARTED)
    assert torch.equal(first, experts(*inputs, tiles=PARTED))


def test_no_token_makes_no_row(device: str) -> None:
    x_TD, expert_TK, weight_TK, w13_EID, w2_EDF = _inputs("spread", 2, device)
    assert experts(x_TD[:0], expert_TK[:0], weight_TK[:0], w13_EID, w2_EDF).shape == (0, D)


def test_rows_that_are_not_dense_are_refused(device: str) -> None:
    *rest, w2_EDF = _inputs("spread", 2, device)
    with pytest.raises(ValueError, match="rows must be dense"):
        experts(*rest, w2_EDF.mT.contiguous().mT)


@pytest.mark.parametrize("tokens", [1, 2, 16, 17, 64, 65, 256])
def test_every_number_of_tokens_has_tiles(tokens: int) -> None:
    up, down = tiles_for(tokens)
    assert (up.tokens == (1, 1)) == (down.tokens == (1, 1)) == (tokens == 1)
