"""A recorded request leaves the routing that the model says, and its client is told what it would be told anyway."""

import asyncio
from collections.abc import Coroutine
from typing import Any

import numpy as np
import pytest

from octavo.engine.request import Progress
from octavo.model import Transformer
from octavo.server.backend.service import EngineDead
from octavo.server.telemetry.recording import RecordingService
from octavo.server.telemetry.traffic import Passage
from tests.engine.serving import prompts_of, read, request
from tests.server.pretended import PretendedService, pretended_service

PROMPT = (5, 6, 7, 8, 9, 10, 11)


class Heard:
    """What was put into the trace."""

    def __init__(self) -> None:
        self.passages: list[Passage] = []

    def around(self, service: PretendedService, **more: Any) -> RecordingService:
        return RecordingService(service, self.passages.append, **more)


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(work, 60))


async def all_of(service: RecordingService | PretendedService, **params: Any) -> list[Progress]:
    prompt, name = params.pop("prompt", PROMPT), params.pop("name", "cmpl-1")
    submission = service.submit(request(prompt, name, **params))
    try:
        return [progress async for said in submission for progress in said]
    finally:
        await submission.aclose()


def test_a_passage_holds_what_the_model_routed(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse, max_num_batched_tokens=3) as service:
            said = await all_of(heard.around(service), max_tokens=5, name="chatcmpl-7")
        (passage,) = heard.passages
        tokens = [progress.token_id for progress in said if progress.token_id is not None]
        assert (passage.domain, passage.name, passage.num_prompt) == ("chat", "chatcmpl-7#0", len(PROMPT))
        assert list(passage.token_ids) == [*PROMPT, *tokens]
        routings = read(sparse, list(passage.token_ids)).routings
        experts_TLK = np.stack([routing.expert_TK.numpy() for routing in routings], axis=1)
        weights_TLK = np.stack([routing.weight_TK.numpy() for routing in routings], axis=1)
        assert passage.rows.weight_TLK is not None
        assert (passage.rows.expert_TLK[:-1] == experts_TLK[:-1]).all()
        np.testing.assert_allclose(passage.rows.weight_TLK[:-1], weights_TLK[:-1], atol=1e-5)
        assert (passage.rows.expert_TLK[-1] == -1).all(), "nobody read the last token"

    run(work())


def test_a_client_is_told_the_same_and_no_routing(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse, max_num_batched_tokens=3) as service:
            plain = await all_of(service, max_tokens=6, temperature=0.0, prompt_logprobs=1, name="cmpl-a")
            told = await all_of(heard.around(service), max_tokens=6, temperature=0.0, prompt_logprobs=1, name="cmpl-b")
        assert all(progress.routing is None for progress in told)
        assert [each.token_id for each in told] == [each.token_id for each in plain]
        assert [each.prompt_logprobs for each in told] == [each.prompt_logprobs for each in plain]
        assert told[-1].finish_reason == "length"

    run(work())


def test_who_asks_for_routing_gets_it(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse) as service:
            told = await all_of(heard.around(service), max_tokens=3, routing=True, router_logits=True)
        rows = [progress.routing for progress in told if progress.routing is not None]
        assert sum(each.count for each in rows) == len(PROMPT) + 2
        assert rows[0].arrays()[2] is not None
        assert len(heard.passages) == 1

    run(work())


def test_every_output_is_a_passage(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse) as service:
            await all_of(heard.around(service), max_tokens=4, n=3, temperature=1.0, seed=1)
        assert [each.name for each in heard.passages] == ["cmpl-1#0", "cmpl-1#1", "cmpl-1#2"]
        for passage in heard.passages:
            assert len(passage.token_ids) == len(passage.rows.expert_TLK) == len(PROMPT) + 4
            assert (passage.rows.expert_TLK[:-1] >= 0).all()

    run(work())


def test_the_sample_decides(sparse: Transformer) -> None:
    async def work() -> None:
        heard, draws = Heard(), iter([0.1, 0.25, 0.9, 0.2])
        async with pretended_service(sparse) as service:
            recording = heard.around(service, sample=0.25, draw=lambda: next(draws))
            for number, prompt in enumerate(prompts_of(4)):
                await all_of(recording, max_tokens=2, prompt=prompt, name=f"cmpl-{number}")
        assert [each.name for each in heard.passages] == ["cmpl-0#0", "cmpl-3#0"]

    run(work())


def test_what_was_read_until_a_client_left_is_recorded(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse, slow=0.005) as service:
            submission = heard.around(service).submit(request(PROMPT, "other", max_tokens=100))
            seen = 0
            async for said in submission:
                seen += len(said)
                if seen > 3:
                    break
            await submission.aclose()
            await submission.aclose()
        (passage,) = heard.passages
        assert passage.domain == "live"
        assert 4 <= len(passage.token_ids) - len(PROMPT) < 100

    run(work())


def test_who_leaves_before_anything_was_read_leaves_no_passage(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse) as service:
            submission = heard.around(service).submit(request(PROMPT, "cmpl-1", max_tokens=9))
            await submission.aclose()
        assert heard.passages == []

    run(work())


def test_a_dead_engine_is_still_raised(sparse: Transformer) -> None:
    async def work() -> None:
        heard = Heard()
        async with pretended_service(sparse, slow=0.005) as service:
            submission = heard.around(service).submit(request(PROMPT, "cmpl-1", max_tokens=100))
            await anext(submission)
            service.kill()
            with pytest.raises(EngineDead):
                async for _ in submission:
                    pass
            await submission.aclose()
        assert len(heard.passages) == 1

    run(work())


def test_the_rest_of_the_service_is_the_engine_s_own(sparse: Transformer) -> None:
    async def work() -> None:
        async with pretended_service(sparse) as service:
            recording = Heard().around(service)
            reports: list[object] = []
            recording.observe(reports.append)
            recording.check(request(PROMPT, "cmpl-1", max_tokens=1))
            await all_of(recording, max_tokens=2)
            assert (recording.facts, recording.load, recording.state) == (service.facts, service.load, "ready")
            assert reports

    run(work())
