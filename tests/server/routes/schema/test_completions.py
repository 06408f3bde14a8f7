"""A prompt is a text, texts, ids or lists of ids, and nothing else."""

from typing import Any

import pytest
from pydantic import ValidationError

from octavo.server.routes.schema.completions import CompletionRequest


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("x", ["x"]),
        ("", [""]),
        (["x", "y"], ["x", "y"]),
        ([1, 2], [[1, 2]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
    ],
)
def test_prompts_are_told_apart(prompt: Any, prompts: Any) -> None:
    assert CompletionRequest.model_validate({"prompt": prompt}).prompts == prompts


@pytest.mark.parametrize(
    ("prompt", "says"),
    [
        (None, "prompt is null"),
        (5, "prompt is 5"),
        ({}, "prompt is an object"),
        ([], "empty list"),
        ([True], "is true"),
        ([1, "x"], r"prompt\[1\] is 'x'"),
        ([1, True], r"prompt\[1\] is true"),
        (["x", 1], r"prompt\[1\] is 1"),
        (["x", [1]], r"prompt\[1\] is a list"),
        ([[1], ["x"]], r"prompt\[1\]\[0\] is 'x'"),
        ([1.5], "is 1.5"),
        ([None], "is null"),
    ],
)
def test_what_is_no_prompt_is_named(prompt: Any, says: str) -> None:
    with pytest.raises(ValidationError, match=says) as caught:
        CompletionRequest.model_validate({"prompt": prompt})
    assert caught.value.error_count() == 1
