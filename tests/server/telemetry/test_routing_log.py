"""A finished request's routing is found again by its id, by who sent it, while there is room."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest

from octavo.server.telemetry.routing_log import Emit, Entry, RoutingLog

Rows = list[Any]


def experts(count: int, first: int = 0) -> Rows:
    rows: Rows = (np.arange(first, first + count * 4).reshape(count, 2, 2) % 8).tolist()
    return rows


def weights(count: int) -> Rows:
    return [[[0.75, 0.25], [0.5, 0.5]]] * count


def answer(num_prompt: int, *counts: int) -> dict[str, Any]:
    return {
        "id": "a",
        "model": "m",
        "prompt_token_ids": list(range(num_prompt)),
        "prompt_routed_experts": experts(num_prompt),
        "prompt_routed_weights": weights(num_prompt),
        "choices": [
            {
                "index": index,
                "text": "secret",
                "token_ids": list(range(count)),
                "routed_experts": experts(count),
                "routed_weights": weights(count),
            }
            for index, count in enumerate(counts)
        ],
    }


def wire(entry: Entry | None) -> dict[str, Any]:
    assert entry is not None
    read = json.loads(b"".join(entry.pieces()))
    assert isinstance(read, dict)
    return read


def kept(log: RoutingLog, name: str, *, num_prompt: int = 3, owner: bytes = b"") -> None:
    heard = log.begin(name, owner=owner)
    heard.add(answer(num_prompt, 2))
    heard.keep()


def test_a_request_is_found_as_it_was_answered_without_its_text() -> None:
    log = RoutingLog()
    kept(log, "a")
    found, said = wire(log.find("a")), answer(3, 2)
    assert (found["id"], found["object"]) == ("a", "routing")
    assert set(found) == {
        "id", "object", "choices", "prompt_token_ids", "prompt_routed_experts", "prompt_routed_weights",
    }  # fmt: skip
    assert found["prompt_routed_experts"] == said["prompt_routed_experts"]
    assert found["prompt_routed_weights"] == said["prompt_routed_weights"]
    said["choices"][0].pop("text")
    assert found["choices"] == said["choices"]


def test_router_logits_are_kept_where_there_are_any() -> None:
    log = RoutingLog()
    heard = log.begin("a")
    heard.add({"choices": [{"index": 0, "token_ids": [1], "router_logits": [[[0.5, -1.5]]]}]})
    heard.keep()
    assert wire(log.find("a"))["choices"] == [{"index": 0, "token_ids": [1], "router_logits": [[[0.5, -1.5]]]}]


def test_a_stream_s_chunks_become_the_same_whole() -> None:
    log = RoutingLog()
    sent = []

    async def write(emit: Emit) -> None:
        await emit({"prompt_token_ids": [7, 8], "choices": [{"index": 0, "token_ids": [5], "routed_experts": []}]})
        await emit({"choices": [{"index": 0, "token_ids": [6], "routed_experts": experts(1)}]})
        await emit({"choices": [{"index": 1, "token_ids": [9], "routed_experts": experts(1)}]})
        assert log.find("a") is None
        await emit({"choices": [{"index": 0, "token_ids": [], "routed_experts": experts(1, 4)}]})
        await emit({"choices": [], "usage": {}})

    async def emit(payload: Mapping[str, Any]) -> None:
        sent.append(payload)

    async def run() -> None:
        await log.begin("a").of_stream(write)(emit)

    asyncio.run(run())
    found = wire(log.find("a"))
    assert len(sent) == 5
    assert found["prompt_token_ids"] == [7, 8]
    assert found["choices"] == [
        {"index": 0, "token_ids": [5, 6], "routed_experts": experts(2)},
        {"index": 1, "token_ids": [9], "routed_experts": experts(1)},
    ]


def test_a_stream_that_broke_off_is_not_kept() -> None:
    log = RoutingLog()

    async def write(emit: Emit) -> None:
        await emit({"choices": [{"index": 0, "token_ids": [5]}]})
        raise ConnectionError

    async def emit(_: Mapping[str, Any]) -> None: ...

    async def run() -> None:
        await log.begin("a").of_stream(write)(emit)

    with pytest.raises(ConnectionError):
        asyncio.run(run())
    assert len(log) == 0


def test_a_long_answer_comes_in_pieces() -> None:
    log = RoutingLog()
    kept(log, "a", num_prompt=3000)
    entry = log.find("a")
    assert entry is not None
    assert max(map(len, entry.pieces())) < 32_000
    assert wire(entry)["prompt_routed_experts"] == experts(3000)


def test_another_s_request_is_not_found() -> None:
    log = RoutingLog()
    kept(log, "a", owner=b"alice")
    assert log.find("a", owner=b"bob") is None
    assert log.find("a", owner=b"alice") is not None


def test_the_longest_unasked_for_makes_room() -> None:
    log = RoutingLog()
    kept(log, "a")
    log = RoutingLog(max_bytes=2 * log.num_bytes)
    kept(log, "a")
    kept(log, "b")
    assert log.find("a") is not None
    kept(log, "c")
    assert [log.find(name) is not None for name in "abc"] == [True, False, True]
    assert len(log) == 2


def test_the_same_id_again_replaces_what_was_there() -> None:
    log = RoutingLog()
    kept(log, "a")
    before = log.num_bytes
    kept(log, "a")
    assert (len(log), log.num_bytes) == (1, before)


def test_one_that_is_larger_than_the_log_is_not_kept() -> None:
    log = RoutingLog(max_bytes=100)
    kept(log, "a", num_prompt=50)
    assert (len(log), log.num_bytes) == (0, 0)
