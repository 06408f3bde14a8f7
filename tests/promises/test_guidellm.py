"""What guidellm is given to ask, and what counts as an answer."""

import json
from pathlib import Path

from benchmarks.promises.guidellm import OUTPUT_TOKENS, PROMISES, is_whole, write_prompts


def test_prompts_are_our_texts_with_a_length(tmp_path: Path) -> None:
    rows = [json.loads(line) for line in write_prompts(tmp_path / "p.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) >= 20
    assert all(row["prompt"] and row["output_tokens_count"] == OUTPUT_TOKENS for row in rows)
    assert len(PROMISES) == 1


def test_an_answer_has_some_tokens_and_not_too_many() -> None:
    assert is_whole({"output_metrics": {"text_tokens": OUTPUT_TOKENS}})
    assert not is_whole({"output_metrics": {"text_tokens": OUTPUT_TOKENS + 1}})
    assert not is_whole({"output_metrics": {}})
