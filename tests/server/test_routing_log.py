"""A finished request's routing is found again by its id, by who sent it, while there is room."""

import json
from typing import Any

import numpy as np

from octavo.api.outputs import CompletionDelta, CompletionOutput, RequestOutput
from octavo.server.routing_log import Entry, RoutingLog

LAYERS, CHOSEN = 2, 2


def experts(count: int, first: int = 0) -> np.ndarray:
    return np.arange(first, first + count * LAYERS * CHOSEN, dtype=np.int16).reshape(count, LAYERS, CHOSEN) % 8


def weights(count: int) -> np.ndarray:
    return np.full((count, LAYERS, CHOSEN), 0.5, np.float32)


def delta(index: int, ids: list[int], rows: int, *, prompt_rows: int = 0, first: int = 0) -> CompletionDelta:
    return CompletionDelta(
        request_id="r", index=index, text="", token_ids=ids, logprobs=[], finish_reason=None, stop_reason=None,
        prompt_logprobs=[], routed_experts=experts(rows, first), routed_weights=weights(rows),
        prompt_routed_experts=experts(prompt_rows), prompt_routed_weights=weights(prompt_rows),
    )  # fmt: skip


def output(num_prompt: int, *counts: int) -> RequestOutput:
    return RequestOutput(
        request_id="r", prompt=None, prompt_token_ids=list(range(num_prompt)), prompt_logprobs=None, finished=True,
        prompt_routed_experts=experts(num_prompt), prompt_routed_weights=weights(num_prompt),
        outputs=[
            CompletionOutput(
                index=index, text="", token_ids=list(range(count)), cumulative_logprob=None, logprobs=None,
                finish_reason="stop", stop_reason=None, routed_experts=experts(count), routed_weights=weights(count),
            )
            for index, count in enumerate(counts)
        ],
    )  # fmt: skip


def wire(entry: Entry | None) -> dict[str, Any]:
    assert entry is not None
    read = json.loads(b"".join(entry.pieces()))
    assert isinstance(read, dict)
    return read


def kept(log: RoutingLog, name: str, *, num_prompt: int = 3, owner: bytes = b"") -> None:
    draft = log.begin(name, owner=owner, model="m")
    draft.add_output(output(num_prompt, 2), prompt=0, first_choice=0)
    draft.keep()


def test_a_request_is_found_as_it_was_answered() -> None:
    log = RoutingLog()
    kept(log, "a")
    found = wire(log.find("a", owner=b""))
    assert (found["id"], found["object"], found["model"]) == ("a", "routing", "m")
    assert found["prompt_token_ids"] == [0, 1, 2]
    assert found["prompt_routed_experts"] == experts(3).tolist()
    assert found["prompt_routed_weights"] == weights(3).tolist()
    (choice,) = found["choices"]
    assert choice["routed_experts"] == experts(2).tolist()
    assert (choice["index"], choice["prompt_index"], choice["token_ids"]) == (0, 0, [0, 1])
    assert "router_logits" not in choice


def test_a_stream_s_pieces_become_the_same_whole() -> None:
    log = RoutingLog()
    draft = log.begin("a", owner=b"", model="m")
    draft.add(delta(0, [5], 0, prompt_rows=2), prompt=0, choice=0, prompt_token_ids=(7, 8))
    draft.add(delta(0, [6], 1), prompt=0, choice=0, prompt_token_ids=(7, 8))
    draft.add(delta(0, [], 1, first=4), prompt=0, choice=0, prompt_token_ids=(7, 8))
    assert log.find("a", owner=b"") is None
    draft.keep()
    found = wire(log.find("a", owner=b""))
    assert found["prompt_token_ids"] == [7, 8]
    assert found["choices"][0]["token_ids"] == [5, 6]
    assert found["choices"][0]["routed_experts"] == experts(2).tolist()


def test_several_prompts_stand_in_a_list() -> None:
    log = RoutingLog()
    draft = log.begin("a", owner=b"", model="m")
    draft.add_output(output(1, 1, 2), prompt=0, first_choice=0)
    draft.add_output(output(2, 1, 2), prompt=1, first_choice=2)
    draft.keep()
    found = wire(log.find("a", owner=b""))
    assert [(each["index"], len(each["prompt_routed_experts"])) for each in found["prompts"]] == [(0, 1), (1, 2)]
    assert [(each["index"], each["prompt_index"]) for each in found["choices"]] == [(0, 0), (1, 0), (2, 1), (3, 1)]


def test_a_long_answer_comes_in_pieces() -> None:
    log = RoutingLog()
    draft = log.begin("a", owner=b"", model="m")
    draft.add_output(output(3000, 1), prompt=0, first_choice=0)
    draft.keep()
    entry = log.find("a", owner=b"")
    assert entry is not None
    pieces = list(entry.pieces())
    assert max(map(len, pieces)) < 32_000
    assert wire(entry)["prompt_routed_experts"] == experts(3000).tolist()


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
    assert log.find("a", owner=b"") is not None
    kept(log, "c")
    assert [log.find(name, owner=b"") is not None for name in "abc"] == [True, False, True]
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
