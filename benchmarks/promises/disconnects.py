"""Clients that go away at random points: waiting, amid the prompt, amid the answer, at its last token."""

import asyncio
import contextlib
import json
import random
import socket
import struct
import time
from typing import Literal

from benchmarks.promises.honest import percentile
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import HOST, Served, serving

Point = Literal["queue", "prefill", "decode", "last token"]
POINTS: tuple[Point, ...] = ("queue", "prefill", "decode", "last token")
AT_ONCE = 64
A_ROUND = 200
SECONDS_TO_FREE = 0.1
# What a busy machine may take in place of a quiet one.
SLACK = 3
HANG_UP = struct.pack("ii", 1, 0)


def body_of(point: Point, draw: random.Random) -> bytes:
    """A request that is still going on when its client goes."""
    length = draw.randint(300, 1500) if point == "prefill" else draw.randint(1, 60)
    asked = {
        "prompt": [draw.randint(5, 8000) for _ in range(length)],
        "max_tokens": draw.randint(1, 8) if point == "last token" else draw.randint(50, 400),
        "n": draw.choice((1, 1, 1, 3)),
        "stream": point in ("decode", "last token") or draw.random() < 0.5,
        "ignore_eos": True,
    }
    return json.dumps(asked).encode()


async def go_away(port: int, point: Point, draw: random.Random) -> None:
    """Asks, and leaves at this point, politely or not."""
    reader, writer = await asyncio.open_connection(HOST, port, limit=2**22)
    body = body_of(point, draw)
    head = f"POST /v1/completions HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
    await writer.drain()
    # A client may be refused or cut off as well: it goes away all the same.
    with contextlib.suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
        if point == "prefill":
            await asyncio.sleep(draw.random() * 0.05)
        elif point == "decode":
            for _ in range(draw.randint(1, 10)):
                await reader.readuntil(b"\n\n")
        elif point == "last token":
            await reader.readuntil(b'"finish_reason":"length"')
    if draw.random() < 0.5:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, HANG_UP)
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()


async def go_away_all(port: int, points: list[Point], draw: random.Random) -> None:
    """Many at once."""
    places = asyncio.Semaphore(AT_ONCE)

    async def one(point: Point, seed: int) -> None:
        async with places:
            await go_away(port, point, random.Random(seed))

    await asyncio.gather(*(one(point, draw.getrandbits(32)) for point in points))


def seconds_to_free(served: Served) -> tuple[float, float]:
    """One answer is left amid its tokens: the longest pause between two of them, and how long its pages stayed held."""
    connection = served.connect()
    asked = {"prompt": "Once upon a time", "max_tokens": 1900, "stream": True, "ignore_eos": True}
    connection.request("POST", "/v1/completions", json.dumps(asked), {"content-type": "application/json"})
    answer = connection.getresponse()
    step, before = 0.0, None
    for _ in range(40):
        answer.readline()
        now = time.monotonic()
        step = max(step, now - before if before is not None else 0.0)
        before = now
    answer.close()
    connection.close()
    gone = time.monotonic()
    while served.ask("/load")[1]["pages_used"] and time.monotonic() - gone < 10:
        pass
    return step, time.monotonic() - gone


def disconnects(scale: float, seed: int) -> Promise:
    """Clients leave at random points of their requests: no page of the cache stays held, and what a client that left
    amid its answer held is free within one step and 100 ms."""
    draw = random.Random(seed)
    tried, failed = count(10_000, scale), 0
    freed: list[float] = []
    late = 0
    with serving("--max-queue", "100000") as served:
        left = tried
        while left > 0:
            some = [draw.choice(POINTS) for _ in range(min(A_ROUND, left))]
            left -= len(some)
            asyncio.run(go_away_all(served.port, some, draw))
            if served.num_unfreed() > 0:
                failed += len(some)
            step, seconds = seconds_to_free(served)
            freed.append(seconds)
            late += seconds > SLACK * (step + SECONDS_TO_FREE)
        status, _ = served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1})
        failed += (status != 200) + late
        trouble = "Traceback" in served.told()
    freed.sort()
    return Promise(
        name="disconnects",
        tried=tried,
        failed=failed + trouble,
        detail={
            "freed_median_ms": round(1000 * percentile(freed, 0.5), 1),
            "freed_p99_ms": round(1000 * percentile(freed, 0.99), 1),
        },
    )


PROMISES = (disconnects,)
