"""One streamed request with a stopwatch: when its first token came, the gaps between the others, and when it ended."""

import itertools
import time
from dataclasses import dataclass
from typing import Any

import httpx2

from octavo.client.endpoint import Endpoint, ServerError, read_chunk, refusal, unreachable
from octavo.errors import OctavoError


@dataclass(frozen=True, slots=True, kw_only=True)
class Timed:
    """What happened to one request; times in seconds, ``started`` on the clock of ``time.perf_counter``.

    ``ttft`` is from sending to the first text, ``itl`` the gaps between the pieces of text that followed, ``latency``
    from sending to the end. ``error`` says what went wrong; then nothing else counts.
    """

    started: float
    ttft: float = 0.0
    itl: tuple[float, ...] = ()
    latency: float = 0.0
    prompt_tokens: int = 0
    output_tokens: int = 0
    text: str = ""
    error: str = ""


async def time_request(client: httpx2.AsyncClient, endpoint: Endpoint, path: str, body: dict[str, Any]) -> Timed:
    """Sends a request, reads its stream to the end and tells how long all of it took; raises nothing of a server's."""
    moments: list[float] = []
    pieces: list[str] = []
    usage: dict[str, Any] = {}
    started = time.perf_counter()
    asked = body | {"stream": True, "stream_options": {"include_usage": True}}
    try:
        async with client.stream("POST", path, json=asked) as response:
            if response.is_error:
                raise refusal(response.status_code, await response.aread(), endpoint)
            ends = False
            async for event in httpx2.EventSource(response):
                chunk = read_chunk(event.data, endpoint)
                if chunk is None:
                    ends = True
                    break
                usage = chunk.get("usage") or usage
                text = "".join(_text(choice) for choice in chunk.get("choices") or ())
                if text:
                    moments.append(time.perf_counter())
                    pieces.append(text)
            if not ends:
                raise ServerError(f"{endpoint.url} broke off in the middle of an answer")
    except httpx2.TransportError as error:
        return Timed(started=started, error=str(unreachable(error, endpoint)))
    except OctavoError as error:
        return Timed(started=started, error=str(error))
    ended = time.perf_counter()
    return Timed(
        started=started,
        ttft=(moments[0] if moments else ended) - started,
        itl=tuple(after - before for before, after in itertools.pairwise(moments)),
        latency=(moments[-1] if moments else ended) - started,
        prompt_tokens=int(usage.get("prompt_tokens") or 0),
        # A server that tells no usage is taken at its pieces.
        output_tokens=int(usage.get("completion_tokens") or len(pieces)),
        text="".join(pieces),
    )


def _text(choice: dict[str, Any]) -> str:
    return choice.get("text") or (choice.get("delta") or {}).get("content") or ""
