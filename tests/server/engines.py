"""Engines in processes of their own, on a small model that the tests write to the disk."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from octavo.checkpoint import save_model
from octavo.engine.config import EngineConfig
from octavo.model import Transformer
from octavo.server.backend.service import Service, Submission
from octavo.server.backend.spawned import ProcessService
from octavo.server.settings import ModelSettings


def save_small(model: Transformer, folder: Path) -> Path:
    """A model's folder without a tokenizer."""
    save_model(model, folder)
    return folder


@asynccontextmanager
async def engine_process(folder: Path, **limits: int) -> AsyncIterator[ProcessService]:
    """A started engine, stopped when the block is left."""
    config = EngineConfig(**{"page_size": 4, "num_pages": 400, **limits})  # type: ignore[arg-type]
    service = ProcessService(ModelSettings(name=str(folder), device="cpu"), config)
    try:
        await service.start()
        yield service
    finally:
        await service.stop()


async def tokens(submission: Submission) -> list[int]:
    """All tokens of a request of one output."""
    return [one.token_id for said in [s async for s in submission] for one in said if one.token_id is not None]


async def until_idle(service: Service) -> None:
    """Waits until nothing runs, which must not take long."""
    for _ in range(500):
        if not (service.load.running or service.load.waiting or service.load.pages_used):
            return
        await asyncio.sleep(0.01)
    raise AssertionError(f"still busy: {service.load}")


def gone(pid: int) -> bool:
    """Whether a process has ended, though perhaps nobody has asked how."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] in "ZX"
    except OSError:
        return True
