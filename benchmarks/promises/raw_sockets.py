"""Raw sockets: bytes that are no request, or nearly one, from connections that break off in every way."""

import asyncio
import contextlib
import random
import re
import socket
import struct
import time
from collections import Counter

from benchmarks.promises.honest import honest_client
from benchmarks.promises.mutated_bodies import MOST_TOLD, QUIET_SECONDS, compare, is_hindered
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import HOST, Served, serving

CONNECTIONS = 10_000
TOGETHER = 8
# How long an answer may take: with half a request the server waits, and so need not we.
PATIENCE = 0.3
ANSWER = re.compile(rb"^HTTP/1\.1 (\d{3}) ", re.MULTILINE)
RESET = struct.pack("ii", 1, 0)
BODY = b'{"prompt": "a", "max_tokens": 2}'
GET = b"GET /v1/models HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s" % (
    len(BODY),
    BODY,
)
CHUNKED = (
    b"POST /v1/completions HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
STREAM = POST.replace(b"%d" % len(BODY), b"54").replace(
    BODY, b'{"prompt": "a", "max_tokens": 50, "stream": true' + b" " * 5 + b"}"
)
WHOLE: tuple[bytes, ...] = (
    b"",
    b"\r\n\r\n\r\n",
    b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\xab" * 300,
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET / HTTP/1.0\r\n\r\n",
    b"GET /health\r\n",
    b"GET http://other.example/health HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET //health/../v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /%00%ff%2e%2e/ HTTP/1.1\r\nHost: a\r\n\r\n",
    b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n",
    b"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"TRACE / HTTP/1.1\r\nHost: a\r\n\r\n",
    b"BREW /coffee HTTP/1.1\r\nHost: a\r\n\r\n",
    b"HEAD /v1/models HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET /v1/models HTTP/1.1\nHost: a\n\n",
    b"GET /v1/models HTTP/1.1\r\nHost: a\r\n folded: b\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX\x00: b\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX: \x1b[31m\x7f\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: a\r\n: empty\r\n\r\n",
    b"GET /v1/models HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n",
    GET * 50,
    POST * 3,
    POST.replace(b"Content-Length", b"Transfer-Encoding: chunked\r\nContent-Length"),
    POST.replace(b"Content-Length: ", b"Content-Length: +"),
    POST.replace(b"Content-Length: ", b"Content-Length: 1"),
    POST.replace(b"Content-Length: ", b"Content-Length: -"),
    POST.replace(b"Host: a", b"Host: a\r\nExpect: 100-continue"),
    POST.replace(b"Host: a", b"Host: a\r\nConnection: Upgrade\r\nUpgrade: h2c"),
    POST.replace(b"Host: a", b"Host: a\r\nContent-Encoding: gzip"),
    CHUNKED + b"20\r\n" + BODY + b"\r\n0\r\n\r\n",
    CHUNKED + b"20;" + b"x" * 5000 + b"\r\n" + BODY + b"\r\n0\r\n\r\n",
    CHUNKED + b"ffffffffffffffff\r\n",
    CHUNKED + b"-1\r\n\r\n",
    CHUNKED + b"20\r\n" + BODY + b"\r\n0\r\nX: " + b"t" * 50_000 + b"\r\n\r\n",
    CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in BODY) + b"0\r\n\r\n",
    b"GET /" + b"a" * 70_000 + b" HTTP/1.1\r\nHost: a\r\n\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 500 + b"\r\n",
    b"GET / HTTP/1.1\r\nHost: a\r\nX: " + b"y" * 200_000 + b"\r\n\r\n",
    POST.replace(BODY, b"a" * 3_000_000).replace(b"%d" % len(BODY), b"3000000", 1),
    STREAM,
)


def raw_sockets(scale: float, seed: int) -> Promise:
    """Connections that send what no client library would: other protocols, broken heads, lengths that contradict each
    other, chunks of any size, requests sent ahead, noise, all of it whole or cut anywhere, in one piece or several, and
    that end by closing, by half closing, by a reset or in the middle of an answer; an honest client asks beside them.
    A failure is: a 5xx, a server that ends, a connection, a request or a block of the cache left behind, or a 99th
    percentile of the honest client of more than twice that of a quiet server.
    """
    number = count(CONNECTIONS, scale)
    with serving("--max-model-len", "256") as served, honest_client(served) as honest:
        began = time.monotonic()
        time.sleep(max(4, QUIET_SECONDS * scale))
        # The honest client's own is among them.
        attacked, sockets = time.monotonic(), served.num_sockets
        statuses = asyncio.run(connect_all(served, number, seed))
        ended = time.monotonic()
        left, open_still = served.num_unfreed(), served.num_sockets_above(sockets)
        alive = served.alive and served.ask("/health")[0] == 200
    figures = compare(honest, began, attacked, ended)
    bad = sum(times for status, times in statuses.items() if status >= 500)
    failed = bad + (left > 0) + (open_still > 0) + (not alive) + honest.failed + is_hindered(figures, scale)
    figures |= {f"status {status}": times for status, times in sorted(statuses.items())}
    figures |= {"left behind": left, "connections left open": open_still}
    return Promise(name="raw-socket oddities", tried=number, failed=int(failed), detail=figures)


async def connect_all(served: Served, number: int, seed: int) -> Counter[int]:
    """How often each status came back; one connection may bring several, or none."""
    found: Counter[int] = Counter()
    turns = iter(range(number))

    async def connect_some() -> None:
        for turn in turns:
            rng = random.Random(f"{seed} {turn}")
            sent = odd_bytes(rng)
            try:
                answer = await converse(rng, served.port, sent)
            except ConnectionRefusedError:
                raise RuntimeError(f"the server has ended: {served.told()[-2000:]}") from None
            for status in map(int, ANSWER.findall(answer)):
                found[status] += 1
                if status >= 500 and sum(times for each, times in found.items() if each >= 500) <= MOST_TOLD:
                    print(f"turn {turn}: {status} for {sent[:300]!r}: {answer[:300]!r}", flush=True)

    await asyncio.gather(*(connect_some() for _ in range(TOGETHER)))
    return found


def odd_bytes(rng: random.Random) -> bytes:
    """One of the oddities, whole or spoiled."""
    sent = rng.choice(WHOLE)
    how = rng.random()
    if how < 0.4:
        return sent
    if how < 0.6:
        return sent[: rng.randint(0, len(sent))]
    if how < 0.65:
        return rng.randbytes(rng.choice((1, 10, 100, 2000)))
    changed = bytearray(sent[:100_000] or b"a")
    for _ in range(rng.choice((1, 1, 2, 5))):
        at = rng.randrange(min(len(changed), 400))
        if rng.random() < 0.5:
            changed[at] = rng.randrange(256)
        else:
            changed[at:at] = rng.choice((b"\r\n", b"\x00", b" ", b":", b"\xff", b"%", b"\r", b"\n\n", b"chunked"))
    return bytes(changed)


async def converse(rng: random.Random, port: int, sent: bytes) -> bytes:
    """Sends the bytes in some way, reads for a while, and ends in some way."""
    reader, writer = await asyncio.open_connection(HOST, port)
    answer = b""
    with contextlib.suppress(OSError, TimeoutError):
        for piece in pieces(rng, sent):
            writer.write(piece)
            await asyncio.wait_for(writer.drain(), PATIENCE)
            await asyncio.sleep(0 if rng.random() < 0.5 else 0.002)
        end = rng.random()
        if end < 0.3:
            plain: socket.socket = writer.get_extra_info("socket")
            plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
        elif end < 0.4:
            writer.write_eof()
        if end >= 0.3 or rng.random() < 0.3:
            async with asyncio.timeout(PATIENCE):
                while part := await reader.read(65_536):
                    answer += part
    writer.close()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
    return answer


def pieces(rng: random.Random, sent: bytes) -> list[bytes]:
    """The bytes whole, or in up to five pieces."""
    cuts = sorted(rng.randint(0, len(sent)) for _ in range(rng.choice((0, 0, 0, 1, 4))))
    return [sent[start:stop] for start, stop in zip([0, *cuts], [*cuts, len(sent)], strict=True)]


PROMISES = (raw_sockets,)
