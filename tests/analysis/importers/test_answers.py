"""Answers of a server are read from one object, a list, or lines; what is none is named by its place."""

import json
from pathlib import Path

import pytest

from octavo.analysis.importers.answers import choices_of, count_of, ids_of, read_answers
from octavo.errors import TraceError

TWO = [{"id": "a"}, {"id": "b"}]


@pytest.mark.parametrize("text", [json.dumps(TWO), "\n".join(map(json.dumps, TWO)) + "\n\n"])
def test_answers_come_from_a_list_or_from_lines(tmp_path: Path, text: str) -> None:
    path = tmp_path / "answers.json"
    path.write_text(text)
    assert [answer for _, answer in read_answers(path)] == TWO
    path.write_text(json.dumps(TWO[0], indent=1))
    assert [answer for _, answer in read_answers(path)] == TWO[:1]


def test_what_is_no_answer_is_named_by_its_place(tmp_path: Path) -> None:
    path = tmp_path / "answers.jsonl"
    path.write_text('{"id": 1}\n{"id": \n')
    with pytest.raises(TraceError, match=r"answers\.jsonl, line 2: not JSON"):
        list(read_answers(path))
    path.write_text("[{}, 3]")
    with pytest.raises(TraceError, match="answer 1: a int: want the object"):
        list(read_answers(path))
    path.write_bytes(b"\xff\xfe{}")
    with pytest.raises(TraceError, match="cannot be read"):
        list(read_answers(path))


def test_fields_of_another_kind_are_refused() -> None:
    assert ids_of(None, "x") is None and ids_of([1, 2], "x") == (1, 2)
    assert count_of(None, "x") is None and count_of(3, "x") == 3
    with pytest.raises(TraceError, match="token ids are text: want a list of whole numbers"):
        ids_of("text", "x")
    for wrong in (-1, True, "3"):
        with pytest.raises(TraceError, match="want a number of tokens"):
            count_of(wrong, "x")
    for wrong in ({}, {"choices": []}, {"choices": ["text"]}):
        with pytest.raises(TraceError, match="has no choices"):
            choices_of(wrong, "x")
