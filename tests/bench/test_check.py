"""A check is green for operations that are right, and red for those that are wrong by more than the dtype explains."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor

from octavo.bench import check
from octavo.bench.check import Checker, batch_of, compare
from octavo.engine.memory_plan import Room
from octavo.errors import OverCapacity
from octavo.model import Output
from octavo.ops import REFERENCE
from octavo.routing import route
from tests.bench.conftest import MakeSubject

BATCHES = [{"size": 5, "start": 30, "new": 1}, {"size": 2, "start": 0, "new": 20}, {"size": 2, "start": 9, "new": 9}]


@pytest.mark.parametrize("batch", BATCHES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_right_is_green(subject: MakeSubject, batch: dict[str, int], dtype: str) -> None:
    found = Checker(subject(dtype=dtype)).check(**batch)
    assert found.green, found.text
    assert found.text.startswith("green: error ")


def test_a_dense_model_is_checked_too(subject: MakeSubject, tiny) -> None:
    dense = replace(tiny, num_experts=0, num_experts_per_tok=0)
    assert Checker(subject(dense)).check(size=2, start=3, new=1).green


def wrong_experts(x_TD: Tensor, *rest: Tensor) -> Tensor:
    return REFERENCE.experts(x_TD, *rest) * 1.01


def wrong_router(x_TD: Tensor, gate_ED: Tensor, k: int):
    return route((x_TD @ gate_ED.T).flip(-1), k)


def no_number(x_TD: Tensor, *rest: Tensor) -> Tensor:
    return REFERENCE.experts(x_TD, *rest) * torch.nan


@pytest.mark.parametrize(
    "change",
    [{"experts": wrong_experts}, {"router": wrong_router}, {"experts": no_number}],
    ids=["experts", "router", "no number"],
)
@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_what_is_wrong_is_red(subject: MakeSubject, change: dict[str, object], dtype: str) -> None:
    found = subject(dtype=dtype)
    if dtype == "bfloat16" and change == {"experts": wrong_experts}:
        change = {"experts": lambda *given: 1.5 * REFERENCE.experts(*given)}
    broken = replace(found, ops=replace(REFERENCE, **change))
    verdict = Checker(broken).check(size=8, start=20, new=1)
    assert not verdict.green, verdict.text
    assert verdict.text.startswith("red: ")


def test_a_choice_that_the_dtype_explains_does_not_count_and_one_that_it_does_not_is_red(tiny) -> None:
    config = replace(tiny, num_layers=1)
    router_TE = torch.randn(4, 8)
    logits_TV = torch.randn(4, 96)

    def said(noise: Tensor, off: Tensor) -> Output:
        return Output(logits_TV + off, (route(router_TE + noise, 2),))

    order_E = router_TE[0].argsort(descending=True)
    swap = torch.zeros(4, 8)
    swap[0, order_E[2]] = float(router_TE[0, order_E[1]] - router_TE[0, order_E[2]]) + 1e-4
    other = torch.zeros(4, 96)
    other[0] = 5.0
    little = 1e-3 * torch.randn(4, 96)
    exact = said(torch.zeros(4, 8), torch.zeros(4, 96))
    explained = compare(config, said(swap, other), said(swap, other + little), exact)
    assert explained.green, explained.text
    assert explained.flipped == 0.25
    unexplained = compare(config, said(swap, other), said(torch.zeros(4, 8), little), exact)
    assert not unexplained.green


def test_the_batch_is_as_the_engine_lays_it_out() -> None:
    batch = batch_of(2, 20, 3, torch.device("cpu"), vocab_size=50)
    assert batch.position_T.tolist() == [20, 21, 22] * 2
    assert batch.query_start_S1.tolist() == [0, 3, 6]
    assert batch.pages is not None
    assert sorted(batch.pages.page_SP.flatten().tolist()) == [1, 2, 3, 4]
    assert batch.pages.slot_T.tolist() == [
        int(page) * 16 + position % 16
        for pages in batch.pages.page_SP
        for position in (20, 21, 22)
        for page in [pages[position // 16]]
    ]


def test_models_that_have_no_room_are_not_made(subject: MakeSubject, monkeypatch: pytest.MonkeyPatch) -> None:
    room = Room(device="cpu", free=1000, total=1000, shared=True)
    monkeypatch.setattr(check, "room_of", lambda device: room)
    with pytest.raises(OverCapacity, match=r"three models of 2 layers take .* of 1 kB free on cpu"):
        Checker(subject())
