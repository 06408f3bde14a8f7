"""Routings reach the host whole, and on a GPU nobody waits for them on the way."""

import numpy as np
import pytest
import torch

from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.transfer import FEW, WAITING, Carrier, HostRouting, Transfer
from octavo.model import Transformer
from octavo.routing import Routing, route
from tests.engine.serving import drive, prompts_of, request, tiny

needs_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


def some_routings(num_tokens: int, device: str = "cpu", seed: int = 0) -> tuple[Routing, ...]:
    generator = torch.Generator().manual_seed(seed)
    return tuple(route(torch.randn(num_tokens, 4, generator=generator).to(device), 2) for _ in range(3))


def check(host: HostRouting, routings: tuple[Routing, ...]) -> None:
    assert host.expert_TLK.dtype == np.int16
    assert host.weight_TLK.dtype == np.float32
    assert host.expert_TLK.shape == host.weight_TLK.shape == (len(routings[0].expert_TK), len(routings), 2)
    assert host.logits_TLE is not None
    for layer, routing in enumerate(routings):
        assert host.expert_TLK[:, layer].tolist() == routing.expert_TK.tolist()
        np.testing.assert_array_equal(host.weight_TLK[:, layer], routing.weight_TK.cpu().numpy())
        np.testing.assert_array_equal(host.logits_TLE[:, layer], routing.logits_TE.cpu().numpy())


def sent(routings: tuple[Routing, ...], device: str = "cpu", *, logits: bool = True) -> Transfer:
    return Carrier(torch.device(device)).send(routings, logits=logits)


def test_routings_come_to_the_host_token_by_token() -> None:
    routings = some_routings(5)
    check(sent(routings).arrived(), routings)
    assert sent(routings, logits=False).arrived().logits_TLE is None


def test_steps_of_any_sizes_are_laid_out_together_and_each_gets_its_own() -> None:
    carrier = Carrier(torch.device("cpu"))
    steps = [some_routings(size, seed=place) for place, size in enumerate((1, 5, 1, 16, 5, 1, 300))]
    transfers = [carrier.send(routings, logits=place != 3) for place, routings in enumerate(steps)]
    assert transfers[5].host is None
    transfers[2].arrived()
    assert all(transfer.host is not None for transfer in transfers)
    for place, (transfer, routings) in enumerate(zip(transfers, steps, strict=True)):
        if place != 3:
            check(transfer.arrived(), routings)
    assert transfers[3].arrived().logits_TLE is None
    assert carrier.send(steps[0], logits=False).host is None


def test_what_nobody_looks_at_is_laid_out_before_it_is_too_much() -> None:
    carrier = Carrier(torch.device("cpu"))
    transfers = [carrier.send(some_routings(100), logits=False) for _ in range(WAITING // 100 + 1)]
    assert all(transfer.host is not None and transfer.routings == () for transfer in transfers)


def test_they_can_be_asked_for_again() -> None:
    transfer = sent(some_routings(5))
    first, again = transfer.arrived(), transfer.arrived()
    np.testing.assert_array_equal(first.expert_TLK, again.expert_TLK)


@pytest.mark.parametrize("num_tokens", [FEW, FEW + 1])
def test_rows_can_be_kept_without_the_rest_of_a_large_step(num_tokens: int) -> None:
    host = sent(some_routings(num_tokens)).arrived()
    expert, weight, logits = host.rows(slice(2, 5), logits=True)
    assert expert.tolist() == host.expert_TLK[2:5].tolist()
    assert np.shares_memory(expert, host.expert_TLK) == np.shares_memory(weight, host.weight_TLK) == (num_tokens == FEW)
    assert logits is not None and logits.shape == (3, 3, 4)
    assert host.rows(slice(2, 5), logits=False)[2] is None


def test_a_step_that_fails_leaves_no_transfer_behind(sparse: Transformer, monkeypatch: pytest.MonkeyPatch) -> None:
    engine = Engine(sparse, EngineConfig(page_size=4, num_pages=60))
    params = {"temperature": 0, "max_tokens": 4, "routing": True}
    prompts = [request(prompt, str(place), **params) for place, prompt in enumerate(prompts_of(3))]
    choose, calls = engine.sampler.choose, 0

    def fail_once(*arguments: object) -> object:
        nonlocal calls
        calls += 1
        if calls == 1:
            raise MemoryError
        return choose(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(engine.sampler, "choose", fail_once)
    for each in prompts:
        engine.add(each)
    with pytest.raises(MemoryError):
        engine.step()
    rows: dict[str, int] = {}
    while engine.has_unfinished:
        for progress in engine.step():
            if progress.routing is not None:
                rows[progress.request_id] = rows.get(progress.request_id, 0) + progress.routing.count
    # One row for each token that was read: all but the last that was chosen.
    assert rows == {each.request_id: len(each.prompt_token_ids) + 3 for each in prompts}


@pytest.mark.gpu
@needs_gpu
@pytest.mark.filterwarnings("ignore:Synchronization debug mode")
def test_on_a_gpu_nobody_waits_until_they_are_asked_for() -> None:
    routings = some_routings(4096, "cuda")
    carrier = Carrier(torch.device("cuda"))
    carrier.send(routings, logits=True).arrived()  # the first of all allocates
    big = torch.randn(8192, 8192, device="cuda")
    torch.cuda.synchronize()
    try:
        torch.cuda.set_sync_debug_mode("error")
        for _ in range(30):
            big = (big @ big).clamp(-1, 1)
        busy = torch.cuda.Event()
        busy.record()
        transfer = carrier.send(routings, logits=True)
        assert not busy.query()  # the host is ahead of the device
    finally:
        torch.cuda.set_sync_debug_mode("default")
    check(transfer.arrived(), routings)


@pytest.mark.gpu
@needs_gpu
def test_on_a_gpu_memory_that_is_used_again_changes_nothing_that_was_sent() -> None:
    carrier = Carrier(torch.device("cuda"))
    wanted = sent(some_routings(4096)).arrived()
    for _ in range(20):
        transfer = carrier.send(some_routings(4096, "cuda"), logits=True)
        for shape in ((4096, 2), (4096, 4)):
            torch.full(shape, -1, dtype=torch.int64, device="cuda")
            torch.full(shape, torch.nan, device="cuda")
        host = transfer.arrived()
        np.testing.assert_array_equal(host.expert_TLK, wanted.expert_TLK)
        np.testing.assert_array_equal(host.logits_TLE, wanted.logits_TLE)


@pytest.mark.gpu
@needs_gpu
def test_on_a_gpu_a_request_has_the_rows_that_a_cpu_gives_it() -> None:
    params = {"temperature": 0, "max_tokens": 12, "routing": True, "router_logits": True}
    found = []
    for device in ("cpu", "cuda"):
        engine = Engine(tiny().to(device), EngineConfig(page_size=4, num_pages=200))
        served = drive(engine, [request(prompt, str(n), **params) for n, prompt in enumerate(prompts_of(6))])
        found.append(served)
    for cpu, cuda in zip(*found, strict=True):
        assert cpu.token_ids == cuda.token_ids
        assert cpu.rows.keys() == cuda.rows.keys()
        for place, (expert_LK, weight_LK) in cpu.rows.items():
            assert expert_LK.tolist() == cuda.rows[place][0].tolist()
            np.testing.assert_allclose(weight_LK, cuda.rows[place][1], atol=1e-4)
