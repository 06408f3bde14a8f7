"""The GPU's router chooses as the reference does, ties included, and writes where it is told."""

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("triton")

from octavo.ops.norm.reference import norm
from octavo.ops.router import reference
from octavo.ops.router.triton import norm_router, router
from octavo.routing import Routing

T, D, E, K = 5, 40, 6, 3
EPS = 1e-5
pytestmark = pytest.mark.usefixtures("poison")


def _inputs(device: str, dtype: torch.dtype = torch.float32) -> list[torch.Tensor]:
    return [x.to(device, dtype) for x in (torch.randn(T, D), torch.rand(D), torch.randn(E, D))]


def _assert_same(ours: Routing, wanted: Routing) -> None:
    assert torch.equal(ours.expert_TK, wanted.expert_TK)
    assert_close(ours.logits_TE, wanted.logits_TE)
    assert_close(ours.weight_TK, wanted.weight_TK)


def test_it_equals_the_reference(device: str) -> None:
    x_TD, norm_D, gate_ED = _inputs(device)
    _assert_same(router(x_TD, gate_ED, K), reference.router(x_TD, gate_ED, K))
    normed_TD, routing = norm_router(x_TD, (norm_D, EPS), gate_ED, K)
    assert_close(normed_TD, norm(x_TD, norm_D, EPS))
    _assert_same(routing, reference.router(normed_TD, gate_ED, K))


def test_in_bfloat16_the_logits_are_still_float32(device: str) -> None:
    x_TD, norm_D, gate_ED = _inputs(device, torch.bfloat16)
    normed_TD, routing = norm_router(x_TD, (norm_D, EPS), gate_ED, K)
    assert normed_TD.dtype == torch.bfloat16
    _assert_same(routing, reference.router(normed_TD, gate_ED, K))


def test_ties_go_to_the_lowest_id(device: str) -> None:
    x_TD, _, gate_ED = _inputs(device)
    gate_ED[:] = gate_ED[0]
    assert router(x_TD, gate_ED, K).expert_TK.tolist() == [[0, 1, 2]] * T


@pytest.mark.filterwarnings("ignore:invalid value encountered")
def test_a_row_that_is_not_a_number_stays_inside_the_experts_and_by_itself(device: str) -> None:
    x_TD, _, gate_ED = _inputs(device)
    x_TD[2] = float("nan")
    routing = router(x_TD, gate_ED, K)
    assert routing.expert_TK[2].tolist() == [E - 1] * K
    assert routing.weight_TK[2].isnan().all()
    others = [0, 1, 3, 4]
    assert torch.equal(routing.expert_TK[others], reference.router(x_TD[others], gate_ED, K).expert_TK)


def test_a_layer_is_written_into_the_telemetry_of_all(device: str) -> None:
    x_TD, _, gate_ED = _inputs(device)
    logits_LTE = torch.zeros(2, T, E, device=device)
    expert_LTK = torch.full((2, T, K), -1, dtype=torch.uint8 if device == "cuda" else torch.int32, device=device)
    weight_LTK = torch.zeros(2, T, K, device=device)
    into = Routing(logits_LTE[1], expert_LTK[1], weight_LTK[1])
    assert router(x_TD, gate_ED, K, into=into) is into
    wanted = reference.router(x_TD, gate_ED, K)
    assert expert_LTK[1].tolist() == wanted.expert_TK.tolist()
    assert_close(weight_LTK[1], wanted.weight_TK)
    assert not weight_LTK[0].any()


def test_a_place_that_does_not_fit_is_refused(device: str) -> None:
    x_TD, _, gate_ED = _inputs(device)
    wrong = reference.router(x_TD[1:], gate_ED, K)
    with pytest.raises(ValueError, match="into has shapes"):
        router(x_TD, gate_ED, K, into=Routing(wrong.logits_TE, wrong.expert_TK.contiguous(), wrong.weight_TK))
    with pytest.raises(ValueError, match="dense rows"):
        router(x_TD, gate_ED.T.contiguous().T, K)
