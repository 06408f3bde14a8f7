"""The driver counts what every step did, whatever the requests asked for."""

import numpy as np
import torch

from octavo.engine.config import EngineConfig
from octavo.model import Transformer
from octavo.routing import route
from octavo.server.backend.driver import Driver, count_experts
from octavo.server.backend.service import StepReport
from tests.engine.serving import prompts_of, request, tiny


def reports_of(driver: Driver) -> list[StepReport]:
    found = []
    while driver.busy:
        _, report = driver.step()
        if report is not None:
            found.append(report)
    return found


def test_counts_are_those_of_the_routing() -> None:
    logits = torch.randn(5, 40, 6)
    routings = tuple(route(each, 2) for each in logits)
    counted = count_experts(routings, 6).view(5, 6)
    for layer, routing in enumerate(routings):
        assert counted[layer].tolist() == np.bincount(routing.expert_TK.flatten().numpy(), minlength=6).tolist()


def test_every_token_read_is_counted_in_every_layer(sparse: Transformer) -> None:
    driver = Driver(sparse, EngineConfig(page_size=4, num_pages=400))
    prompts = prompts_of(7)
    for place, prompt in enumerate(prompts):
        driver.add(request(prompt, str(place), max_tokens=5))
    reports = reports_of(driver)
    read = sum(map(len, prompts)) + 7 * 4
    assert sum(report.tokens_read for report in reports) == read
    assert sum(report.prompt_tokens for report in reports) == sum(map(len, prompts))
    assert sum(report.tokens_chosen for report in reports) == 35
    counts = np.sum([np.asarray(report.expert_count_LE) for report in reports], axis=0)
    assert counts.sum(axis=1).tolist() == [2 * read] * 3
    load = driver.load
    assert (load.tokens_read, load.tokens_chosen, load.steps) == (read, 35, len(reports))
    assert (load.running, load.waiting, load.pages_used, load.pages_leaked) == (0, 0, 0, 0)


def test_each_request_starts_once_though_it_is_preempted_and_has_many_outputs(sparse: Transformer) -> None:
    driver = Driver(sparse, EngineConfig(page_size=4, num_pages=24, max_num_batched_tokens=16))
    for place, prompt in enumerate(prompts_of(4, longest=30)):
        driver.add(request(prompt, str(place), max_tokens=20, n=2))
    reports = reports_of(driver)
    assert driver.load.preemptions > 0
    assert [name for report in reports for name in report.started] == ["0", "1", "2", "3"]


def test_an_abort_gives_its_pages_back_at_once(sparse: Transformer) -> None:
    driver = Driver(sparse, EngineConfig(page_size=4, num_pages=400))
    driver.add(request(range(30), "a"))
    driver.step()
    assert driver.load.pages_used > 0
    driver.abort("a")
    assert (driver.load.pages_used, driver.load.running, driver.busy) == (0, 0, False)
    assert driver.step() == ([], None)


def test_a_dense_model_has_no_counts() -> None:
    driver = Driver(tiny(num_experts=0, num_experts_per_tok=0), EngineConfig(num_pages=20))
    driver.add(request([1, 2], max_tokens=2))
    assert [report.expert_count_LE for report in reports_of(driver)] == [None, None]
