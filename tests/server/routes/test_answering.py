"""Requests are pursued as long as somebody waits for them, and nothing of them stays behind in the engine."""

import asyncio
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from octavo.api.opening import describe_model
from octavo.model import Transformer
from octavo.server.backend.service import EngineDead
from octavo.server.routes.answering import ClientGone, Serving, answer, disconnected, new_id, while_connected
from octavo.server.routes.completions import open_completion
from octavo.server.routes.errors import Refused
from octavo.server.routes.front import Front, make_front
from octavo.server.routes.schema.completions import CompletionRequest
from octavo.server.settings import ServerSettings
from octavo.server.telemetry.metrics import Metrics
from octavo.server.telemetry.routing_log import RoutingLog
from octavo.server.telemetry.routing_stats import RoutingStats
from tests.server.live import Live, live_server
from tests.server.scripted import ScriptedService


def serving_of(service: Any, front: Front) -> Serving:
    return Serving(
        service=service,
        front=front,
        settings=ServerSettings(),
        metrics=Metrics(RoutingStats()),
        routing_log=RoutingLog(),
    )


@pytest.fixture(scope="module")
def plain() -> Front:
    return make_front(("scripted",), describe_model(None).config, None)


def asked(serving: Serving, **fields: Any) -> Any:
    return open_completion(serving, CompletionRequest.model_validate({"prompt": [1, 2], **fields}))


def test_results_come_from_what_the_engine_says(plain: Front) -> None:
    async def run() -> list[int]:
        service = ScriptedService([[5, 6, 2]], vocab_size=100)
        serving = serving_of(service, plain)
        made = await asked(serving)
        await answer(serving, made.jobs)
        assert service.closed == 1
        return made.jobs[0].draft.outputs[0].token_ids

    assert asyncio.run(run()) == [5, 6, 2]


@pytest.mark.parametrize("prompts", [[1, 2], [[1, 2], [3], [4]]], ids=["one prompt", "three prompts"])
def test_an_error_of_the_engine_is_raised_once_and_everything_closed(plain: Front, prompts: Any) -> None:
    async def run() -> None:
        service = ScriptedService([[5, 6]], vocab_size=100)
        service.error = EngineDead("it died")
        serving = serving_of(service, plain)
        made = await asked(serving, prompt=prompts)
        with pytest.raises(EngineDead):
            await answer(serving, made.jobs)
        assert service.closed == len(made.jobs)

    asyncio.run(run())


@pytest.mark.parametrize("prompts", [[1, 2], [[1, 2], [3], [4]]], ids=["one prompt", "three prompts"])
def test_a_client_that_leaves_ends_its_work(plain: Front, prompts: Any) -> None:
    async def run() -> None:
        service = ScriptedService([[5, 6]], vocab_size=100, stuck=True)
        serving = serving_of(service, plain)
        made = await asked(serving, prompt=prompts)

        async def receive() -> Any:
            await asyncio.sleep(0.02)
            return {"type": "http.disconnect"}

        with pytest.raises(ClientGone):
            await while_connected(receive, answer(serving, made.jobs))
        assert service.closed == len(made.jobs)

    asyncio.run(run())


def test_only_a_disconnection_counts_as_one() -> None:
    said = iter([{"type": "http.request"}, {"type": "http.disconnect"}])

    async def receive() -> Any:
        return next(said)

    asyncio.run(disconnected(receive))
    assert list(said) == []


def test_work_that_is_done_first_gives_its_value_and_its_error() -> None:
    async def wait() -> Any:
        await asyncio.Event().wait()

    async def done() -> int:
        return 5

    async def failed() -> int:
        raise KeyError("x")

    assert asyncio.run(while_connected(wait, done())) == 5
    with pytest.raises(KeyError):
        asyncio.run(while_connected(wait, failed()))


@pytest.mark.parametrize("state", ["loading", "draining", "dead"])
def test_an_engine_that_is_not_ready_is_a_503(plain: Front, state: Any) -> None:
    service = ScriptedService([[5]], vocab_size=100)
    service.state = state
    with pytest.raises(Refused, match=state) as caught:
        serving_of(service, plain).ready()
    assert caught.value.fault.status == 503 and caught.value.fault.retry_after


def test_a_model_has_its_names_and_no_other(front: Front) -> None:
    serving = serving_of(ScriptedService([[5]], vocab_size=100), front)
    assert serving.named(None) == "octavo-mini"
    assert serving.named("another-name") == "another-name"
    with pytest.raises(Refused) as caught:
        serving.named("gpt-4\n")
    assert (caught.value.fault.status, caught.value.fault.code) == (404, "model_not_found")
    assert "gpt-4" not in caught.value.fault.message


def test_no_two_answers_have_one_id() -> None:
    assert len({new_id("cmpl") for _ in range(1000)}) == 1000


@pytest.fixture(scope="module")
def slow_server(sparse: Transformer) -> Iterator[Live]:
    """A tiny model without a tokenizer that takes its time for each step."""
    front = make_front(("tiny",), sparse.config, None)
    with live_server(sparse, front, slow=0.02, max_model_len=60) as live:
        yield live


@pytest.mark.parametrize("stream", [False, True])
def test_pages_are_free_soon_after_a_client_has_left(slow_server: Live, stream: bool) -> None:
    body = b'{"prompt": [1, 2, 3], "max_tokens": 50, "stream": %s}' % (b"true" if stream else b"false")
    head = b"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: %d\r\n\r\n"
    host, port = slow_server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as client:
        client.sendall(head % len(body) + body)
        wait_until(lambda: slow_server.service.load.pages_used > 0)
    left = time.monotonic()
    wait_until(lambda: slow_server.service.load.pages_used == 0)
    # Its fifty tokens would have taken a second.
    assert time.monotonic() - left < 0.6
    assert slow_server.service.load.pages_leaked == 0


def test_a_dead_engine_is_told_to_whoever_waits(sparse: Transformer) -> None:
    front = make_front(("tiny",), sparse.config, None)
    with live_server(sparse, front, slow=0.05, max_model_len=60) as live:
        ask = {"prompt": [1, 2, 3], "max_tokens": 50}
        with live.http.stream("POST", "/v1/completions", json={**ask, "stream": True}) as response:
            lines = response.iter_lines()
            assert next(lines).startswith("data: {")
            live.loop.call_soon_threadsafe(live.service.kill)
            rest = [line for line in lines if line]
        assert '"error"' in rest[-2] and "unavailable" in rest[-2]
        assert rest[-1] == "data: [DONE]"
        refused = live.post("/v1/completions", **ask)
        assert refused.status_code == 503 and refused.headers["retry-after"]
        assert live.http.get("/health").status_code == 503


def wait_until(holds: Any) -> None:
    deadline = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.005)
