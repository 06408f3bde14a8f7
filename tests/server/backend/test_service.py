"""A service in a thread keeps what the seam says; what the second process adds is in test_spawned."""

import asyncio

import pytest

from octavo.errors import RequestError
from octavo.model import Transformer
from octavo.server.backend.service import EngineDead, StepReport, Submission
from tests.engine.serving import prompts_of, request, serve
from tests.server.pretended import pretended_service


async def tokens(submission: Submission) -> list[int]:
    return [one.token_id for said in [s async for s in submission] for one in said if one.token_id is not None]


def test_what_comes_out_is_what_the_engine_gives(sparse: Transformer) -> None:
    prompts = prompts_of(6)

    async def run() -> list[list[int]]:
        async with pretended_service(sparse) as service:
            asked = [request(prompt, str(place), temperature=0.0) for place, prompt in enumerate(prompts)]
            for each in asked:
                service.check(each)
            return await asyncio.gather(*(tokens(service.submit(each)) for each in asked))

    expected = [one.token_ids[0] for one in serve(sparse, prompts, {"temperature": 0.0})]
    assert asyncio.run(run()) == expected


def test_a_request_that_cannot_be_served_is_refused_before_and_in_the_engine(sparse: Transformer) -> None:
    async def run() -> None:
        async with pretended_service(sparse) as service:
            bad = request([1, 97])
            with pytest.raises(RequestError, match="token id 97"):
                service.check(bad)
            with pytest.raises(RequestError, match="token id 97"):
                await tokens(service.submit(bad))

    asyncio.run(run())


def test_observers_see_each_step_and_the_load_goes_back_to_nothing(sparse: Transformer) -> None:
    async def run() -> None:
        seen: list[StepReport] = []
        async with pretended_service(sparse, slow=0.001) as service:
            service.observe(seen.append)
            assert len(await tokens(service.submit(request([1, 2, 3], max_tokens=4, ignore_eos=True)))) == 4
            assert [report.tokens_read for report in seen] == [3, 1, 1, 1]
            submission = service.submit(request([1, 2], max_tokens=200))
            await anext(submission)
            await submission.aclose()
            for _ in range(200):
                if not (service.load.running or service.load.pages_used):
                    break
                await asyncio.sleep(0.01)
            assert service.load.pages_used == service.load.running == 0

    asyncio.run(run())


def test_a_killed_engine_is_seen_by_all_who_wait(sparse: Transformer) -> None:
    async def run() -> None:
        async with pretended_service(sparse, slow=0.01) as service:
            waiting = [
                asyncio.ensure_future(tokens(service.submit(request([1], str(i), max_tokens=200)))) for i in "ab"
            ]
            await asyncio.sleep(0.05)
            service.kill()
            for one in waiting:
                with pytest.raises(EngineDead):
                    await one
            with pytest.raises(EngineDead):
                service.submit(request([1]))

    asyncio.run(run())
