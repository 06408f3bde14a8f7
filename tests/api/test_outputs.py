"""Results have vLLM's names and do not change."""

import dataclasses

import pytest

from octavo.api.outputs import CompletionOutput, Logprob, RequestOutput


def names(kind: type) -> set[str]:
    return {field.name for field in dataclasses.fields(kind)}


def test_the_names_are_vllms() -> None:
    assert names(Logprob) == {"logprob", "rank", "decoded_token"}
    assert names(RequestOutput) >= {
        "request_id", "prompt", "prompt_token_ids", "prompt_logprobs", "outputs", "finished",
    }  # fmt: skip
    assert names(CompletionOutput) >= {
        "index", "text", "token_ids", "cumulative_logprob", "logprobs", "finish_reason", "stop_reason",
    }  # fmt: skip


def test_results_do_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Logprob(0.0, 1, None).rank = 2  # type: ignore[misc]
