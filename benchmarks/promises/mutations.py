"""Mutations: valid requests made wrong in their values, their shape or their bytes; all of it drawn from one seed."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

TOOL = {"type": "function", "function": {"name": "f", "parameters": {"type": "object", "properties": {"a": {}}}}}
COMPLETION: dict[str, Any] = {
    "model": "octavo-mini",
    "prompt": "Once",
    "max_tokens": 2,
    "temperature": 0.5,
    "n": 1,
    "stop": ["x"],
    "logprobs": 1,
    "logit_bias": {"5": 1.5},
    "seed": 1,
    "stream": False,
    "echo": False,
    "top_p": 0.9,
    "top_k": 5,
    "min_p": 0.0,
    "presence_penalty": 0.1,
    "stop_token_ids": [3],
    "routing": True,
    "user": "u",
}
CHAT: dict[str, Any] = {
    "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
    "max_tokens": 2,
    "temperature": 0,
    "stream": True,
    "stream_options": {"include_usage": True},
    "logprobs": True,
    "top_logprobs": 2,
    "tools": [TOOL],
    "tool_choice": "none",
    "response_format": {"type": "text"},
}
SEEDS: tuple[tuple[str, Any], ...] = (
    ("/v1/completions", COMPLETION),
    ("/v1/completions", {"prompt": [[1, 2, 3], [4]], "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0}),
    ("/v1/completions", {"prompt": "a", "max_tokens": 2, "guided_regex": "[ab]+"}),
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 2}),
    (
        "/v1/chat/completions",
        {
            "messages": [{"role": "user", "content": [{"type": "text", "text": "Hi"}]}],
            "max_tokens": 2,
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "integer"}}},
        },
    ),
    ("/tokenize", {"prompt": "Hello", "add_special_tokens": True}),
    ("/tokenize", {"messages": [{"role": "user", "content": "Hi"}]}),
    ("/detokenize", {"tokens": [1, 2, 3]}),
)
ODD: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 17, 65, 301, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 10**19, 0.0, -0.5, 1.5, 1e308,
    5e-324, "", "a", "\x00", "\x1b[2J", "é\u202e", "<s>[INST]", "{{ 7 * 7 }}", "(a+)+$", "../../etc/passwd", "a" * 300,
    "a" * 5000, "http://a:1/", [], [[]], {}, [None], [1, "a"], [[1], "a"], [-1], [8192], [2**40], ["a"] * 65,
    {"a": {}}, {"type": "object", "$ref": "#"}, {"5": "x"}, {"-1": 1}, {"99999": 1}, {"type": "json_object"},
)  # fmt: skip
# Bytes that a JSON reader may stumble over.
SHARDS = (
    b"NaN", b"-Infinity", b"1e999", b"\\ud800", b"\\udc00\\ud800", b"\xed\xa0\x80", b"\xff", b"\x00", b"\xef\xbb\xbf",
    b"9" * 5000, b"-0", b"01", b"[" * 100, b"{" * 70, b'{"a":' * 65, b'"', b"\\", b"\\u", b"\\u00", b",", b"null",
    b"\r\n\r\n", b"// c\n", b"'", b"}", b"]", b'"n":2,"n":3,', b"1e5", b"\\u0000", b"\\ud83d\\ude00", b"\t", b"\x0b",
)  # fmt: skip
KINDS = ("application/json; charset=utf-16", "text/plain", "", "application/json; charset=\xff", "multipart/form-data")
Place = tuple[Any, Any]


def mutate(rng: random.Random) -> tuple[str, bytes, str]:
    """A path, a body and its content type."""
    path, seed = rng.choice(SEEDS)
    body = json.dumps(reshape(rng, copy.deepcopy(seed)), ensure_ascii=rng.random() < 0.5).encode(
        "utf-8", "surrogatepass"
    )
    for _ in range(rng.choice((0, 0, 0, 1, 1, 2, 4))):
        body = rng.choice(BYTE_CHANGES)(rng, body)
    kind = rng.choice(KINDS) if rng.random() < 0.02 else "application/json"
    return path, body, kind


def reshape(rng: random.Random, value: Any) -> Any:
    """The value with some of its parts replaced, taken out, doubled, wrapped or renamed."""
    for _ in range(rng.choice((0, 1, 1, 1, 2, 3))):
        if rng.random() < 0.01:
            return rng.choice(ODD)
        holder, key = rng.choice(places(value))
        change = rng.random()
        if change < 0.6:
            holder[key] = copy.deepcopy(rng.choice(ODD))
        elif change < 0.7:
            del holder[key]
        elif change < 0.8:
            holder[key] = [holder[key]] * rng.choice((1, 2, 3))
        elif change < 0.9:
            holder[key] = {rng.choice(("a", "type", "")): holder[key]}
        elif isinstance(holder, dict):
            holder[f"{key}{rng.choice(('s', '_', ' ', chr(0)))}"] = holder.pop(key)
        if not places(value):
            return value
    return value


def places(value: Any) -> list[Place]:
    """Every part of a value, as what holds it and under which key."""
    found: list[Place] = []
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            found.append((value, key))
            found += places(value[key])
    return found


def flip(rng: random.Random, body: bytes) -> bytes:
    """One bit the other way."""
    changed = bytearray(body or b"a")
    changed[rng.randrange(len(changed))] ^= 1 << rng.randrange(8)
    return bytes(changed)


def insert(rng: random.Random, body: bytes) -> bytes:
    """A shard somewhere."""
    at = rng.randint(0, len(body))
    return body[:at] + rng.choice(SHARDS) + body[at:]


def take_out(rng: random.Random, body: bytes) -> bytes:
    """A stretch is missing."""
    at = rng.randint(0, len(body))
    return body[:at] + body[at + rng.choice((1, 2, 10, 100)) :]


def cut(rng: random.Random, body: bytes) -> bytes:
    """The end is missing."""
    return body[: rng.randint(0, len(body))]


def double(rng: random.Random, body: bytes) -> bytes:
    """A stretch stands twice."""
    start = rng.randint(0, len(body))
    stop = min(len(body), start + rng.choice((1, 5, 50)))
    return body[:stop] + body[start:]


def exchange_number(rng: random.Random, body: bytes) -> bytes:
    """Some digit becomes a shard."""
    at = [index for index, byte in enumerate(body) if 48 <= byte < 58]
    if not at:
        return body
    index = rng.choice(at)
    return body[:index] + rng.choice(SHARDS) + body[index + 1 :]


BYTE_CHANGES: tuple[Callable[[random.Random, bytes], bytes], ...] = (
    flip,
    insert,
    take_out,
    cut,
    double,
    exchange_number,
)
