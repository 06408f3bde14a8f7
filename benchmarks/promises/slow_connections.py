"""Slow connections: a thousand at once that never come to the point, each of which has to be gone within 30 s."""

import asyncio
import contextlib
import random
import time

from benchmarks.promises.honest import honest_client
from benchmarks.promises.mutated_bodies import QUIET_SECONDS, compare, is_hindered
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import HOST, serving
from benchmarks.promises.wire import allow_descriptors

CONNECTIONS = 1_000
LIMIT = 30.0
HEAD = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
# What is sent at once, and the byte that follows again and again.
WAYS = (
    (b"", b""),
    (b"GET / HTTP/1.1\r\nX: ", b"a"),
    (b"", b"\r\n"),
    (b"GET /", b"a"),
    (HEAD, b""),
    (HEAD + b"Content-Length: 100000\r\n\r\n{", b" "),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\n \r\n"),
    (HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;", b"x"),
    (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", b""),
)


def slow_connections(scale: float, seed: int) -> Promise:
    """Connections that send nothing, or a byte a second of a head, a body, a chunk or nothing but line ends, all at the
    same time, while an honest client asks for four tokens again and again. A failure is a connection that is still open
    after 30 s, or a 99th percentile of the honest client of more than twice that of a quiet server.
    """
    number = count(CONNECTIONS, scale)
    allow_descriptors(number + 200)
    with serving() as served, honest_client(served) as honest:
        began = time.monotonic()
        time.sleep(max(4, QUIET_SECONDS * scale))
        attacked = time.monotonic()
        lives = asyncio.run(hold_all(served.port, number, seed))
        ended = time.monotonic()
    figures = compare(honest, began, attacked, ended)
    late = sum(life > LIMIT for life in lives)
    failed = late + honest.failed + is_hindered(figures, scale)
    figures |= {"longest": f"{max(lives):.1f} s", "shortest": f"{min(lives):.1f} s"}
    return Promise(name="slow connections", tried=number, failed=failed, detail=figures)


async def hold_all(port: int, number: int, seed: int) -> list[float]:
    """Seconds that each connection was held."""
    rng = random.Random(seed)
    return await asyncio.gather(*(hold(port, WAYS[each % len(WAYS)], rng.random()) for each in range(number)))


async def hold(port: int, way: tuple[bytes, bytes], delay: float) -> float:
    """Seconds until the server closed a connection; 10 s more than it may take where it did not."""
    first, drip = way
    await asyncio.sleep(delay)
    reader, writer = await asyncio.open_connection(HOST, port)
    start = time.monotonic()
    dripping = asyncio.ensure_future(send_slowly(writer, first, drip))
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(LIMIT + 10):
            while await reader.read(65_536):
                pass
    held = time.monotonic() - start
    dripping.cancel()
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return held


async def send_slowly(writer: asyncio.StreamWriter, first: bytes, drip: bytes) -> None:
    """The first bytes, then one now and then for as long as they are taken."""
    with contextlib.suppress(OSError):
        writer.write(first)
        while drip:
            await asyncio.sleep(1)
            writer.write(drip)
            await writer.drain()


PROMISES = (slow_connections,)
