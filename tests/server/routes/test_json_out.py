"""JSON made in pieces is the JSON made at once, and while a long one is made the event loop goes on."""

import asyncio
import json
import random
import time
from typing import Any

import numpy as np
import pytest

from octavo.server.routes.json_out import as_json, is_long, json_bytes, json_pieces

RNG = np.random.default_rng(0)


def payload(tokens: int) -> dict[str, Any]:
    random_ = random.Random(tokens)
    named = [None, *({str(random_.randrange(99)): {"logprob": -random_.random()}} for _ in range(tokens))]
    return {
        "id": "ü\u2028\"",
        "choices": [
            {
                "index": 0,
                "text": "x",
                "logprobs": {"tokens": ["a"] * tokens, "token_logprobs": [None, *[-0.5] * tokens]},
                "routed_experts": RNG.integers(-1, 8, (tokens, 4, 2)).astype(np.int16),
                "routed_weights": RNG.random((tokens, 4, 2)).astype(np.float32),
            },
            {"index": 1, "text": "", "logprobs": None},
        ],
        "prompt_logprobs": named,
        "prompt_token_ids": list(range(tokens)),
        "usage": None,
    }  # fmt: skip


@pytest.mark.parametrize("tokens", [0, 1, 2, 255, 256, 257, 1000, 5000])
def test_pieces_joined_are_the_whole(tokens: int) -> None:
    made = payload(tokens)
    assert "".join(json_pieces(made)) == as_json(made)
    assert asyncio.run(json_bytes(made)).decode() == as_json(made)
    assert json.loads(as_json(made))["choices"][0]["routed_experts"] == made["choices"][0]["routed_experts"].tolist()


def test_an_array_of_wide_rows_is_cut_between_rows() -> None:
    made = {"a": np.zeros((3, 40_000), np.float32)}
    assert json.loads("".join(json_pieces(made))) == {"a": made["a"].tolist()}


def test_what_tells_of_many_tokens_is_long_wherever_it_says_so() -> None:
    assert not is_long(payload(200))
    assert is_long({"prompt_token_ids": list(range(257))})
    assert is_long({"choices": [{"routed_experts": np.zeros((257, 1, 1))}]})
    assert is_long({"choices": [{"logprobs": {"content": [{}] * 257}}]})
    assert not is_long({"choices": [{"logprobs": None, "text": "x" * 1000}]})


def test_what_is_not_finite_is_never_sent() -> None:
    with pytest.raises(ValueError, match="JSON"):
        as_json({"x": float("nan")})


def test_while_a_long_answer_is_made_others_get_their_turn() -> None:
    made = {"router_logits": RNG.random((4000, 8, 16))}

    async def run() -> tuple[float, float]:
        longest, before = 0.0, time.perf_counter()
        task = asyncio.create_task(json_bytes(made))
        start = before
        while not task.done():
            await asyncio.sleep(0)
            now = time.perf_counter()
            longest, before = max(longest, now - before), now
        return longest, time.perf_counter() - start

    longest, whole = asyncio.run(run())
    assert longest < whole / 4
