"""A supervisor outlives its engine, up to a point, and says when it is over."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from octavo.engine.config import EngineConfig
from octavo.errors import CheckpointError, RequestError
from octavo.model import Transformer
from octavo.server.backend import supervisor as supervising
from octavo.server.backend.service import EngineDead, StepReport
from octavo.server.backend.supervisor import Supervisor
from octavo.server.settings import ModelSettings, OnEngineDeath
from tests.engine.serving import request
from tests.server.engines import gone, save_small, tokens


@pytest.fixture(scope="module")
def small(sparse: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(sparse, tmp_path_factory.mktemp("watched") / "model")


@asynccontextmanager
async def watched(folder: Path, on_death: OnEngineDeath) -> AsyncIterator[Supervisor]:
    one = Supervisor(
        ModelSettings(name=str(folder), device="cpu"), EngineConfig(page_size=4, num_pages=400), on_death=on_death
    )
    try:
        yield one
    finally:
        await one.stop()
        assert one.pid is None or gone(one.pid)


async def until(condition: object) -> None:
    for _ in range(3000):
        if condition():  # type: ignore[operator]
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that")


def kill(one: Supervisor) -> None:
    assert one.pid is not None
    os.kill(one.pid, signal.SIGKILL)


def test_it_restarts_a_dead_engine_and_its_observers_see_the_new_one(small: Path) -> None:
    async def run() -> None:
        seen: list[StepReport] = []
        async with watched(small, "restart") as one:
            one.observe(seen.append)
            await one.start()
            facts = one.facts
            lost = asyncio.ensure_future(tokens(one.submit(request([1], "lost", max_tokens=200))))
            await asyncio.sleep(0.05)
            kill(one)
            with pytest.raises(EngineDead):
                await lost
            await until(lambda: one.state == "loading")
            assert one.facts == facts
            with pytest.raises(EngineDead, match="another one is starting"):
                one.submit(request([1]))
            await until(lambda: one.state == "ready")
            before = len(seen)
            assert len(await tokens(one.submit(request([1, 2], max_tokens=3)))) == 3
            assert len(seen) == before + 3
            assert not one.over.done()

    asyncio.run(run())


def test_without_restarts_a_death_is_the_end(small: Path) -> None:
    async def run() -> None:
        async with watched(small, "exit") as one:
            await one.start()
            kill(one)
            assert "it was ended by SIGKILL" in await asyncio.wait_for(one.over, 10)
            assert one.state == "dead"

    asyncio.run(run())


def test_it_does_not_restart_for_ever(small: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervising, "MOST_DEATHS", 1)

    async def run() -> None:
        async with watched(small, "restart") as one:
            await one.start()
            kill(one)
            await until(lambda: one.state == "loading")
            await until(lambda: one.state == "ready")
            kill(one)
            assert "that was death 2 within 60 s" in await asyncio.wait_for(one.over, 10)

    asyncio.run(run())


def test_an_engine_that_cannot_be_started_again_is_the_end(sparse: Transformer, tmp_path: Path) -> None:
    folder = save_small(sparse, tmp_path / "model")

    async def run() -> None:
        async with watched(folder, "restart") as one:
            await one.start()
            (folder / "config.json").unlink()
            kill(one)
            assert "could not be started again" in await asyncio.wait_for(one.over, 60)

    asyncio.run(run())


def test_draining_finishes_what_is_there(small: Path) -> None:
    async def run() -> None:
        async with watched(small, "restart") as one:
            await one.start()
            with pytest.raises(RequestError, match="token id 97"):
                one.check(request([97]))
            going = asyncio.ensure_future(tokens(one.submit(request([1], max_tokens=100))))
            await asyncio.sleep(0)
            one.drain()
            assert one.state == "draining"
            assert len(await going) == 100
            # A death while draining starts nothing any more.
            kill(one)
            await asyncio.wait_for(one.over, 10)

    asyncio.run(run())


def test_a_model_that_is_not_there_is_told_at_the_start(tmp_path: Path) -> None:
    async def run() -> None:
        async with watched(tmp_path, "restart") as one:
            with pytest.raises(CheckpointError):
                await one.start()

    asyncio.run(run())
