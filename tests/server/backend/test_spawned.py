"""The engine's process answers as the engine does; when it dies everybody knows, and with its parent it goes."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from octavo.engine.config import EngineConfig
from octavo.errors import CheckpointError, ConfigError, RequestError
from octavo.model import Transformer
from octavo.server.backend.service import EngineDead, StepReport
from octavo.server.backend.spawned import ProcessService
from octavo.server.settings import ModelSettings
from tests.engine.serving import prompts_of, request, serve
from tests.server.engines import engine_process, gone, save_small, tokens, until_idle


@pytest.fixture(scope="module")
def small(sparse: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(sparse, tmp_path_factory.mktemp("served") / "model")


def test_what_comes_out_is_what_the_engine_gives(small: Path, sparse: Transformer) -> None:
    prompts = prompts_of(8)

    async def run() -> list[list[int]]:
        seen: list[StepReport] = []
        async with engine_process(small) as service:
            service.observe(seen.append)
            asked = [request(prompt, str(place), seed=place, routing=True) for place, prompt in enumerate(prompts)]
            found = await asyncio.gather(*(tokens(service.submit(each)) for each in asked))
            await until_idle(service)
            assert sum(report.tokens_chosen for report in seen) == 8 * 16
            assert all(report.expert_count_LE is not None and report.expert_count_LE.shape == (3, 4) for report in seen)
            assert service.facts.config == sparse.config
            assert service.load.pages_leaked == 0
        assert service.state == "dead"
        assert service.pid is not None
        assert gone(service.pid)
        return found

    expected = [serve(sparse, [prompt], {"seed": place})[0].token_ids[0] for place, prompt in enumerate(prompts)]
    assert asyncio.run(run()) == expected


def test_a_bad_request_is_refused_here_and_there_and_disturbs_nobody(small: Path) -> None:
    async def run() -> None:
        async with engine_process(small) as service:
            good = asyncio.ensure_future(tokens(service.submit(request([1, 2], "good", max_tokens=100))))
            bad = request([97], "bad")
            with pytest.raises(RequestError, match="token id 97"):
                service.check(bad)
            with pytest.raises(RequestError, match="token id 97"):
                await tokens(service.submit(bad))
            assert len(await good) == 100

    asyncio.run(run())


def test_closing_a_submission_frees_its_pages(small: Path) -> None:
    async def run() -> None:
        async with engine_process(small) as service:
            submission = service.submit(request([1, 2, 3], max_tokens=200))
            await anext(submission)
            began = time.monotonic()
            await submission.aclose()
            await until_idle(service)
            assert time.monotonic() - began < 1
            assert service.load.steps < 190

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSEGV])
def test_a_dead_engine_is_told_to_all_who_wait(small: Path, how: signal.Signals) -> None:
    async def run() -> None:
        lines: list[str] = []
        service = ProcessService(
            ModelSettings(name=str(small), device="cpu"), EngineConfig(num_pages=400), on_death=lines.append
        )
        try:
            await service.start()
            waiting = [
                asyncio.ensure_future(tokens(service.submit(request([1], str(i), max_tokens=250)))) for i in range(5)
            ]
            await asyncio.sleep(0.05)
            assert service.pid is not None
            os.kill(service.pid, how)
            began = time.monotonic()
            for one in waiting:
                with pytest.raises(EngineDead, match="the engine's process has ended"):
                    await one
            assert time.monotonic() - began < 2
            with pytest.raises(EngineDead):
                service.submit(request([1]))
            for _ in range(300):
                if lines:
                    break
                await asyncio.sleep(0.01)
            assert len(lines) == 1
            assert how.name in lines[0]
        finally:
            await service.stop()

    asyncio.run(run())


def test_a_model_that_cannot_be_opened_says_why(tmp_path: Path) -> None:
    async def run(model: ModelSettings) -> None:
        service = ProcessService(model, EngineConfig())
        try:
            await service.start()
        finally:
            await service.stop()
            assert service.pid is not None
            assert gone(service.pid)

    with pytest.raises(CheckpointError, match="has neither config"):
        asyncio.run(run(ModelSettings(name=str(tmp_path))))
    with pytest.raises(ConfigError, match="want one of them, auto or cpu"):
        asyncio.run(run(ModelSettings(device="cuda:99")))


def test_an_engine_killed_while_it_opens_is_noticed(small: Path) -> None:
    async def run() -> None:
        service = ProcessService(ModelSettings(name=str(small), device="cpu"), EngineConfig())
        starting = asyncio.ensure_future(service.start())
        while service.pid is None:
            await asyncio.sleep(0.01)
        os.kill(service.pid, signal.SIGKILL)
        with pytest.raises(EngineDead, match="SIGKILL"):
            await asyncio.wait_for(starting, 5)
        await service.stop()

    asyncio.run(run())


def test_stopping_while_the_model_opens_waits_for_nothing(small: Path) -> None:
    async def run() -> None:
        service = ProcessService(ModelSettings(name=str(small), device="cpu"), EngineConfig())
        starting = asyncio.ensure_future(service.start())
        while service.pid is None:
            await asyncio.sleep(0.01)
        began = time.monotonic()
        starting.cancel()
        await service.stop()
        assert time.monotonic() - began < 2
        assert gone(service.pid)

    asyncio.run(run())


PARENT = """
import asyncio, sys
from octavo.engine.config import EngineConfig
from octavo.server.backend.spawned import ProcessService
from octavo.server.settings import ModelSettings

async def run():
    service = ProcessService(ModelSettings(name=sys.argv[1], device="cpu"), EngineConfig(num_pages=400))
    await service.start()
    print(service.pid, flush=True)
    await asyncio.sleep(60)

asyncio.run(run())
"""


def test_with_its_parent_killed_the_engine_goes_too(small: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(small)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        child = int(parent.stdout.readline())
        assert not gone(child)
        # What a service manager or a Ctrl-C sends to all of them must not cut running requests.
        os.kill(child, signal.SIGTERM)
        os.kill(child, signal.SIGINT)
        time.sleep(0.2)
        assert not gone(child)
        parent.kill()
        parent.wait()
        deadline = time.monotonic() + 5
        while not gone(child):
            assert time.monotonic() < deadline
            time.sleep(0.02)
