"""Overload: ten times as many requests as can be served, and as many are served as without the rest."""

import asyncio
import json
import time
from collections.abc import Iterable
from dataclasses import dataclass

from benchmarks.promises.honest import percentile
from benchmarks.promises.promise import Promise
from benchmarks.promises.served import Served, serving
from benchmarks.promises.wire import Broken, Wire, allow_descriptors

SECONDS = 60.0
SHORTEST = 12.0
TIMES = 10
TOKENS = 32
RUNNING = 16
WAITING = 16
REFUSED_WITHIN = 0.05
# What is promised of goodput and of a refusal's time is of the full length on a machine that does nothing else.
SLACK = 3
BODY = json.dumps(
    {"prompt": "Once upon a time there was", "max_tokens": TOKENS, "min_tokens": TOKENS, "ignore_eos": True}
).encode()
PATIENCE = 120


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """One request: when it began (of time.monotonic), how long it took, and its status; 0 is no answer."""

    began: float
    seconds: float
    status: int


def overload(scale: float, seed: int) -> Promise:
    """A server that runs 16 sequences and lets 16 wait is first asked by just so many clients, which shows its peak;
    then for 60 s ten times as many requests a second arrive as it could serve. A failure is: a request without an
    answer, a status other than 200 and 429, a refusal that takes longer than 50 ms, and a goodput (tokens a second
    of requests that were served in that time) of less than 95 % of the peak.
    """
    allow_descriptors(4_096)
    seconds = max(SHORTEST, SECONDS * scale)
    flags = ("--max-num-seqs", str(RUNNING), "--max-queue", str(WAITING))
    with serving(*flags) as served:
        asyncio.run(ask_in_turn(served, 2))
        peaks = [asyncio.run(ask_in_turn(served, max(SHORTEST, seconds / 3))) for _ in range(2)]
        asked, goodput = asyncio.run(ask_too_much(served, seconds, rate=TIMES * max(peaks) / TOKENS))
        peaks.append(asyncio.run(ask_in_turn(served, max(SHORTEST, seconds / 3))))
        left = served.num_unfreed()
    peak = sorted(peaks)[1]
    refused = sorted(each.seconds for each in asked if each.status == 429)
    served_in = sorted(each.seconds for each in asked if each.status == 200)
    slack = 1 if scale >= 1 else SLACK
    late = sum(each > REFUSED_WITHIN * slack for each in refused)
    wrong = sum(each.status not in (200, 429) for each in asked)
    share = goodput / peak if peak else 0.0
    failed = late + wrong + (left > 0) + (share < 0.95 / slack) + (not refused)
    return Promise(
        name="overload",
        tried=len(asked),
        failed=int(failed),
        detail={
            "goodput": f"{100 * share:.0f} % of the peak",
            "peak": f"{peak:.0f} tokens a second",
            "served": len(served_in),
            "refused": len(refused),
            "asked for": f"{TIMES} times the peak, {seconds:.0f} s",
            "refused in (p50, p99, most)": " / ".join(
                f"{1000 * each:.1f} ms" for each in (percentile(refused, 0.5), percentile(refused, 0.99), max(refused))
            ),
            "served in (p50, p99)": " / ".join(f"{percentile(served_in, share):.2f} s" for share in (0.5, 0.99)),
            "left behind": left,
        },
    )


async def ask_in_turn(served: Served, seconds: float) -> float:
    """Tokens a second of as many clients as there are places, each of which asks anew when it has its answer."""
    end = time.monotonic() + seconds
    ended: list[float] = []

    async def client() -> None:
        wire = Wire(served.port)
        while time.monotonic() < end:
            status, answer = await wire.post("/v1/completions", BODY)
            if status == 429:
                # The last of them are above the share of one address.
                await asyncio.sleep(0.1)
            elif status != 200:
                raise RuntimeError(f"the peak cannot be measured: {status} {answer[:200]!r}")
            else:
                ended.append(time.monotonic())
        await wire.close()

    await asyncio.gather(*(client() for _ in range(RUNNING + WAITING)))
    return pace(each for each in ended if each < end)


def pace(ended: Iterable[float]) -> float:
    """Tokens a second of requests that ended at these times, from the end of the first batch to that of the last."""
    times = sorted(ended)[RUNNING - 1 :]
    return (len(times) - 1) * TOKENS / (times[-1] - times[0]) if len(times) > 1 else 0.0


async def ask_too_much(served: Served, seconds: float, *, rate: float) -> tuple[list[Asked], float]:
    """Every request of an arrival at this rate a second, whatever becomes of those before; and the tokens a second."""
    idle: list[Wire] = []
    asked: list[Asked] = []
    start = time.monotonic()

    async def ask() -> None:
        wire = idle.pop() if idle else Wire(served.port)
        began = time.monotonic()
        try:
            status, _ = await asyncio.wait_for(wire.post("/v1/completions", BODY), PATIENCE)
        except (Broken, TimeoutError):
            status = 0
        asked.append(Asked(began=began, seconds=time.monotonic() - began, status=status))
        idle.append(wire)

    async with asyncio.TaskGroup() as group:
        number = 0
        while (now := time.monotonic() - start) < seconds:
            while number < now * rate:
                group.create_task(ask())
                number += 1
            await asyncio.sleep(0.002)
    for wire in idle:
        await wire.close()
    return asked, pace(
        each.began + each.seconds
        for each in asked
        if each.status == 200 and each.began + each.seconds - start < seconds
    )


PROMISES = (overload,)
