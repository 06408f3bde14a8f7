"""Answers a file of requests, many at once; what is answered stays answered, so a run that was killed goes on.

A server that is busy (429, 503) or gone is asked again after a while. When that does not help, the run stops and leaves
the unanswered lines unanswered: started again, it goes on with them.
"""

import asyncio
import json
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2

from octavo.client.batch_answers import BatchAnswers
from octavo.client.batch_lines import BatchLine, read_lines
from octavo.client.endpoint import Endpoint, ServerError, refusal, unreachable

BUSY = (429, 503)
BROKEN = (408, 409, 500, 502, 504)
TRIES_WHEN_BUSY = 20
TRIES_WHEN_BROKEN = 3
TRIES_WHEN_GONE = 6
LONGEST_WAIT = 30.0

Tell = Callable[[int, int], None]
"""Called with how many lines are answered and how many there are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchOutcome:
    """What a run found and did: of ``total`` requests ``before`` were answered already; ``failed`` are all failures."""

    total: int
    before: int
    failed: int


async def run_batch(
    client: httpx2.AsyncClient,
    endpoint: Endpoint,
    requests: Path,
    answers: BatchAnswers,
    *,
    concurrency: int,
    tell: Tell,
) -> BatchOutcome:
    """Answers every line of ``requests`` that has no answer yet, ``concurrency`` of them at once.

    Raises RequestError where the answers are not those of this file, before anything is asked, and ServerError where
    the server cannot be reached any more.
    """
    total, before = 0, 0
    for line in read_lines(requests):
        total += 1
        before += answers.check(line)
    tell(before, total)
    left = (line for line in read_lines(requests) if line.number not in answers.done)
    run = _Run(client, endpoint, answers, tell=lambda: tell(len(answers.done), total))
    async with asyncio.TaskGroup() as group:
        for _ in range(max(1, min(concurrency, total - before))):
            group.create_task(run.work(left))
    return BatchOutcome(total=total, before=before, failed=answers.failed)


class _Run:
    """One run: its workers take lines from one iterator."""

    def __init__(
        self, client: httpx2.AsyncClient, endpoint: Endpoint, answers: BatchAnswers, *, tell: Callable[[], None]
    ) -> None:
        self._client = client
        self._endpoint = endpoint
        self._answers = answers
        self._tell = tell

    async def work(self, lines: Iterator[BatchLine]) -> None:
        """Answers lines until there are none."""
        for line in lines:
            if line.trouble:
                self._answers.add(line, response=None, error={"code": line.code, "message": line.trouble})
            else:
                self._answers.add(line, **await self._answer(line))
            self._tell()

    async def _answer(self, line: BatchLine) -> dict[str, Any]:
        """The response to one request, as its line of the answers has it."""
        # ASCII, so that a lone surrogate gets as far as the server's own refusal.
        body = json.dumps(line.body).encode()
        tries = 0
        while True:
            tries += 1
            try:
                response = await self._client.post(
                    line.path, content=body, headers={"Content-Type": "application/json"}
                )
            except httpx2.TransportError as error:
                if tries >= TRIES_WHEN_GONE:
                    raise unreachable(error, self._endpoint) from error
                await asyncio.sleep(_wait(tries, None))
                continue
            status = response.status_code
            if status in BUSY and tries >= TRIES_WHEN_BUSY:
                raise refusal(status, response.content, self._endpoint)
            if status == httpx2.codes.UNAUTHORIZED:
                raise refusal(status, response.content, self._endpoint)
            if status not in BUSY and (status not in BROKEN or tries >= TRIES_WHEN_BROKEN):
                return _written(response)
            await asyncio.sleep(_wait(tries, response.headers.get("retry-after")))


def _written(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        message = f"the server answers {response.status_code} with what is no JSON"
        return {"response": None, "error": {"code": "bad_answer", "message": message}}
    name = response.headers.get("x-request-id") or (body.get("id") if isinstance(body, dict) else None)
    return {"response": {"status_code": response.status_code, "request_id": name, "body": body}}


def _wait(tries: int, retry_after: str | None) -> float:
    """Seconds to wait before the next try: what the server asked for, else twice as long each time, never in step."""
    try:
        asked = float(retry_after) if retry_after is not None else 0.5 * 2 ** (tries - 1)
    except ValueError:  # a date, which nobody sends who counts seconds
        asked = 1.0
    return min(max(asked, 0.05), LONGEST_WAIT) * random.uniform(0.75, 1.25)


def first_trouble(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Of the errors that ended a run the one to tell: the first that is none of a group's own."""
    for error in group.exceptions:
        return first_trouble(error) if isinstance(error, BaseExceptionGroup) else error
    return ServerError("the run ended without a reason")
