"""Puts a server under a load of one rate: sends requests as they arrive, whoever else is still being served."""

import asyncio
import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import httpx2

from octavo.client.bench_prompts import BenchRequest
from octavo.client.endpoint import Endpoint
from octavo.client.timing import Timed, time_request

PATHS = {"openai": "/v1/completions", "openai-chat": "/v1/chat/completions"}


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchTarget:
    """What is measured: ``path`` of a server, and what every request says besides its prompt."""

    endpoint: Endpoint
    path: str
    chat: bool
    settings: dict[str, Any] = field(default_factory=dict)

    def body(self, request: BenchRequest) -> dict[str, Any]:
        """A request as the server reads it."""
        text = {"messages": [{"role": "user", "content": request.prompt}]} if self.chat else {"prompt": request.prompt}
        return self.settings | text | {"max_tokens": request.output_len}


async def run_load(
    target: BenchTarget,
    requests: Sequence[BenchRequest],
    arrivals: Sequence[float],
    *,
    max_concurrency: int | None,
    tell: Callable[[int], None],
) -> tuple[list[Timed], float]:
    """Sends each request at its moment and returns what happened to each, and how many seconds all of it took.

    With ``max_concurrency`` a request that arrives while as many are under way waits, and its time counts from when it
    is sent. ``tell`` is called with how many have ended.
    """
    gate: Any = asyncio.Semaphore(max_concurrency) if max_concurrency else contextlib.nullcontext()
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
    ended = 0

    async def send(request: BenchRequest) -> Timed:
        nonlocal ended
        async with gate:
            timed = await time_request(client, target.endpoint, target.path, target.body(request))
        ended += 1
        tell(ended)
        return timed

    async with httpx2.AsyncClient(**target.endpoint.options(), limits=limits) as client:
        began = time.perf_counter()
        tasks = []
        for request, moment in zip(requests, arrivals, strict=True):
            wait = began + moment - time.perf_counter()
            if wait > 0:
                await asyncio.sleep(wait)
            tasks.append(asyncio.create_task(send(request)))
        timed = await asyncio.gather(*tasks)
        return timed, time.perf_counter() - began
