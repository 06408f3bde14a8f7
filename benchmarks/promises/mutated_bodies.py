"""Mutated bodies: none ends the server, none is answered 5xx, and an honest client hardly notices."""

import asyncio
import json
import random
import time
from collections import Counter
from collections.abc import Mapping

from benchmarks.promises.honest import Honest, honest_client, percentile
from benchmarks.promises.mutations import mutate
from benchmarks.promises.promise import Figure, Promise, count
from benchmarks.promises.served import Served, serving
from benchmarks.promises.wire import Broken, Wire

BODIES = 100_000
WIRES = 4
# Attacker, victim, engine and honest client share one machine: more a second would measure who gets its cores.
PER_SECOND = 250
PATIENCE = 60
QUIET_SECONDS = 20
MOST_TOLD = 10
ALLOWED = {200, 400, 404, 408, 413, 429}
# What is still valid is not to ask for much: an honest client beside heavy users is another question.
FLAGS = ("--max-model-len", "48")


def mutated_bodies(scale: float, seed: int) -> Promise:
    """Valid requests of every route that takes a body, made wrong in values, shape and bytes, are sent over four
    connections, 250 a second, while an honest client asks for four tokens again and again. A failure is: no answer, a
    5xx or any status that is not documented, a refusal that is not JSON, a server that ends, a block of the cache or a
    request that is left behind, or a 99th percentile of the honest client of more than twice that of a quiet server.
    """
    with serving(*FLAGS) as served, honest_client(served) as honest:
        began = time.monotonic()
        time.sleep(max(4, QUIET_SECONDS * scale))
        attacked = time.monotonic()
        statuses = asyncio.run(send_all(served, count(BODIES, scale), seed))
        ended = time.monotonic()
        left = served.num_unfreed()
        alive = served.alive and served.ask("/health")[0] == 200
    failed = sum(number for status, number in statuses.items() if status not in ALLOWED)
    figures = compare(honest, began, attacked, ended)
    failed += (left > 0) + (not alive) + honest.failed + is_hindered(figures, scale)
    figures |= {f"status {status}": number for status, number in sorted(statuses.items())}
    figures |= {"left behind": left, "per second": round(sum(statuses.values()) / (ended - attacked))}
    return Promise(name="mutated bodies", tried=sum(statuses.values()), failed=int(failed), detail=figures)


def compare(honest: Honest, began: float, attacked: float, ended: float) -> dict[str, Figure]:
    """What an honest client saw before and during an attack."""
    quiet, loud = honest.between(began, attacked), honest.between(attacked, ended)
    before, during = percentile(quiet, 0.99), percentile(loud, 0.99)
    return {
        "honest requests": len(quiet) + len(loud),
        "honest failures": honest.failed,
        "p99 quiet": f"{1000 * before:.1f} ms",
        "p99 attacked": f"{1000 * during:.1f} ms",
        "p99 ratio": round(during / before, 2) if before else 0.0,
    }


def is_hindered(figures: Mapping[str, Figure], scale: float) -> bool:
    """Whether an honest client's 99th percentile is too far above the quiet one; a small share has too few requests to
    say so exactly, and may run beside other work, so that it gets three times as much."""
    return float(figures["p99 ratio"]) > (2 if scale >= 1 else 6)


async def send_all(served: Served, number: int, seed: int) -> Counter[int]:
    """How often each status came; 0 is no answer, 1 a refusal that is no JSON."""
    found: Counter[int] = Counter()
    turns = iter(range(number))
    start = time.monotonic()

    async def send_some() -> None:
        wire = Wire(served.port)
        for turn in turns:
            await asyncio.sleep(max(0.0, start + turn / PER_SECOND - time.monotonic()))
            path, body, kind = mutate(random.Random(f"{seed} {turn}"))
            try:
                status, answer = await asyncio.wait_for(wire.post(path, body, kind=kind), PATIENCE)
            except (Broken, TimeoutError):
                status, answer = 0, b""
            if status not in ALLOWED or (status != 200 and not is_refusal(answer)):
                status = 1 if status in ALLOWED else status
                if found.total() - sum(map(found.__getitem__, ALLOWED)) < MOST_TOLD:
                    print(f"turn {turn}: {status} for {kind!r} {path} {body[:500]!r}: {answer[:300]!r}", flush=True)
                if not served.alive or not served.listens:
                    raise RuntimeError(f"the server has ended: {served.told()[-2000:]}")
            found[status] += 1
        await wire.close()

    await asyncio.gather(*(send_some() for _ in range(WIRES)))
    return found


def is_refusal(answer: bytes) -> bool:
    """Whether it is an error in OpenAI's form, on one line of ASCII."""
    try:
        message = json.loads(answer)["error"]["message"]
    except (ValueError, KeyError, TypeError):
        return False
    return isinstance(message, str) and answer.isascii() and "\n" not in message and len(message) < 1000


PROMISES = (mutated_bodies,)
