"""A load is what was asked for: at its moments, with no more at once than allowed, whatever the server does."""

import asyncio
import time

from octavo.client.bench_prompts import BenchRequest
from octavo.client.bench_run import BenchTarget, run_load
from octavo.client.endpoint import find_endpoint
from octavo.client.timing import Timed
from tests.client.pretended import Pretended, listening


def load(
    app: Pretended, arrivals: list[float], *, at_once: int | None = None, chat: bool = False, text: str = "a b"
) -> list[Timed]:
    ended: list[int] = []
    with listening(app) as url:
        path = "/v1/chat/completions" if chat else "/v1/completions"
        target = BenchTarget(endpoint=find_endpoint(url), path=path, chat=chat, settings={"model": "shouter"})
        requests = [BenchRequest(prompt=text, output_len=9)] * len(arrivals)
        timed, seconds = asyncio.run(run_load(target, requests, arrivals, max_concurrency=at_once, tell=ended.append))
    assert ended == list(range(1, len(arrivals) + 1))
    assert seconds >= max(arrivals)
    return timed


def test_requests_are_sent_at_their_moments_whoever_is_still_served() -> None:
    app = Pretended(seconds=0.3)
    moments = [0.0, 0.05, 0.1, 0.15]
    found = load(app, moments)
    first = min(each.started for each in found)
    for each, moment in zip(found, moments, strict=True):
        # Never early; late by as much as a busy machine makes it.
        assert moment - 0.01 <= each.started - first < moment + 0.5
    assert app.most_at_once >= 2


def test_a_gate_lets_only_so_many_through_and_waiting_is_not_counted() -> None:
    app = Pretended(seconds=0.02)
    began = time.perf_counter()
    found = load(app, [0.0] * 6, at_once=2)
    assert app.most_at_once == 2
    assert time.perf_counter() - began > 0.1
    assert max(each.latency for each in found) < 2


def test_chats_and_failures_are_measured_too() -> None:
    assert {each.text for each in load(Pretended(), [0.0] * 3, chat=True)} == {"A B"}
    found = load(Pretended(refusals=1), [0.0] * 3, at_once=1)
    assert [bool(each.error) for each in found] == [True, False, False]
