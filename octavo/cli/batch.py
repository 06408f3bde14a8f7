"""The work of ``octavo run-batch``: the files, the bar, and the line that says what came of it."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from pathlib import Path

import httpx2

from octavo.cli.escaping import escape_line
from octavo.cli.progress import count_bar
from octavo.cli.screen import open_screen, print_json
from octavo.client.batch_answers import BatchAnswers
from octavo.client.batch_run import BatchOutcome, first_trouble, run_batch
from octavo.client.endpoint import Endpoint
from octavo.errors import RequestError

Opened = tuple[httpx2.AsyncClient, Endpoint]
OpenClient = Callable[[], contextlib.AbstractAsyncContextManager[Opened]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The two files of a run."""

    requests: Path
    answers: Path
    overwrite: bool = False

    def check(self) -> None:
        """Raises, before a model is loaded, where they cannot be what they should be."""
        with self.requests.open("rb"):
            pass
        if self.answers.exists() and self.answers.samefile(self.requests):
            raise RequestError(f"-i and -o are both {self.requests}: answers go into a file of their own")


def at(endpoint: Endpoint) -> OpenClient:
    """A client of a server."""

    @contextlib.asynccontextmanager
    async def opened() -> AsyncIterator[Opened]:
        limits = httpx2.Limits(max_connections=None, max_keepalive_connections=None)
        async with httpx2.AsyncClient(**endpoint.options(), limits=limits) as client:
            yield client, endpoint

    return opened


def answer(files: Files, open_client: OpenClient, *, max_concurrency: int, as_json: bool) -> None:
    """Answers what has no answer yet and says what came of it."""
    began = time.perf_counter()
    with BatchAnswers(files.answers, overwrite=files.overwrite) as answers, count_bar("requests") as tell:

        async def run() -> BatchOutcome:
            async with open_client() as (client, endpoint):
                return await run_batch(
                    client,
                    endpoint,
                    files.requests,
                    answers,
                    concurrency=max_concurrency,
                    tell=lambda done, total: tell("", done, total),
                )

        try:
            outcome = asyncio.run(run())
        except BaseExceptionGroup as group:
            raise first_trouble(group) from None
    seconds = time.perf_counter() - began
    if as_json:
        counts = {"requests": outcome.total, "answered_before": outcome.before, "failed": outcome.failed}
        print_json(counts | {"seconds": seconds, "output_file": str(files.answers)})
        return
    open_screen().write(escape_line(told(outcome, seconds, files.answers)) + "\n")


def told(outcome: BatchOutcome, seconds: float, path: Path) -> str:
    """One line about a run."""
    now = outcome.total - outcome.before
    before = f", {outcome.before:,} before that" if outcome.before else ""
    failed = f"; {outcome.failed:,} with an error" if outcome.failed else ""
    return f"{now:,} requests answered in {seconds:.1f} s{before}{failed}: {path}"
