"""Items of the evaluation tasks are the same wherever they are made, and what lm-eval logs of them is read back."""

import json
from pathlib import Path

from benchmarks.clients.items import TASKS, choices, read_texts, write_items
from benchmarks.promises.evals import PROMISES, read_answers


def test_items_are_cut_from_our_texts_and_are_always_the_same(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    counts = write_items(tmp_path / "a")
    assert counts == write_items(tmp_path / "b")
    assert sum(counts.values()) >= 200
    for name in counts:
        path = f"{name}.jsonl"
        assert (tmp_path / "a" / path).read_bytes() == (tmp_path / "b" / path).read_bytes()
        task = (TASKS / f"octavo_{name}.yaml").read_text(encoding="utf-8")
        assert f"test: {path}" in task


def test_the_right_choice_goes_on_the_text() -> None:
    found = read_texts()
    for item in choices():
        assert any(item["text"] + item["choices"][item["answer"]] in text for text in found)
        assert len(item["choices"]) == 4


def test_a_share_of_the_items_is_drawn(tmp_path: Path) -> None:
    counts = write_items(tmp_path, share=0.1, seed=3)
    assert counts["choice"] == round(0.1 * len(choices()))


def test_samples_are_read_by_task_and_number(tmp_path: Path) -> None:
    sample = {"doc_id": 4, "resps": [["x"]], "metrics": ["acc"], "acc": 1.0, "doc": {}}
    (tmp_path / "samples_octavo_go_on_2026-01-01T00-00-00.5.jsonl").write_text(json.dumps(sample) + "\n")
    assert dict(read_answers(tmp_path)) == {("octavo_go_on", 4): {"answers": [["x"]], "acc": 1.0}}
    assert len(PROMISES) == 2
