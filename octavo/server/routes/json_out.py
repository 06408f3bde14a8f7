"""JSON for clients: what is short at once, what is long in pieces, between which the event loop gets its turn.

A prompt of thirty thousand tokens with its routings is a hundred megabytes of JSON, and nothing interrupts an encoder.
"""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

# Rows of a list, and numbers of an array, that are encoded at once: a few milliseconds.
ROWS = 256
NUMBERS = 16_384
# Made once: to make an encoder takes longer than to encode a chunk.
as_json = json.JSONEncoder(
    ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=lambda array: array.tolist()
).encode


async def json_bytes(payload: Mapping[str, Any]) -> bytes:
    """An answer or a chunk as JSON in UTF-8; its arrays may be numpy's."""
    if not is_long(payload):
        return as_json(payload).encode()
    parts = []
    for piece in json_pieces(payload):
        parts.append(piece.encode())
        if len(piece) > ROWS:
            await asyncio.sleep(0)
    return b"".join(parts)


def is_long(payload: Mapping[str, Any]) -> bool:
    """Whether an answer, or one of its choices, tells of many tokens."""
    parts = [payload, *payload.get("choices", ())]
    parts += [part["logprobs"] for part in parts if part.get("logprobs")]
    return any(len(value) > ROWS for part in parts for value in part.values() if isinstance(value, list | np.ndarray))


def json_pieces(value: Any) -> Iterator[str]:
    """The JSON of a value, piece by piece."""
    if isinstance(value, Mapping):
        yield "{"
        for place, (name, inner) in enumerate(value.items()):
            yield f"{',' if place else ''}{as_json(name)}:"
            yield from json_pieces(inner)
        yield "}"
    elif isinstance(value, np.ndarray):
        yield from _blocks(value, max(1, NUMBERS // max(1, value[:1].size)))
    elif isinstance(value, list) and len(value) <= ROWS and value and isinstance(value[0], Mapping):
        for place, inner in enumerate(value):
            yield "," if place else "["
            yield from json_pieces(inner)
        yield "]"
    elif isinstance(value, list):
        yield from _blocks(value, ROWS)
    else:
        yield as_json(value)


def _blocks(rows: "Sequence[Any] | np.ndarray", size: int) -> Iterator[str]:
    yield "["
    for start in range(0, len(rows), size):
        yield ("," if start else "") + as_json(rows[start : start + size])[1:-1]
    yield "]"
