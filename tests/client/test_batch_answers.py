"""Answers are written whole; what a killed run left unfinished is taken back, and a foreign file is left alone."""

import json
from pathlib import Path

import pytest

from octavo.client.batch_answers import BatchAnswers
from octavo.client.batch_lines import BatchLine
from octavo.errors import RequestError

LINE = BatchLine(number=3, key="batch_req_3_0123456789ab", custom_id="a", path="/v1/completions", body={})
GOOD = {"status_code": 200, "request_id": "r", "body": {"text": "é\u2028"}}


def test_an_answer_is_one_line_of_ascii(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    with BatchAnswers(path) as answers:
        answers.add(LINE, response=GOOD)
    raw = path.read_bytes()
    assert raw.isascii()
    assert json.loads(raw) == {"id": LINE.key, "custom_id": "a", "response": GOOD, "error": None}


@pytest.mark.parametrize("left", [0, 1, 20, 60])
def test_a_torn_last_line_is_taken_back(tmp_path: Path, left: int) -> None:
    path = tmp_path / "out.jsonl"
    with BatchAnswers(path) as answers:
        answers.add(LINE, response=GOOD)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:left])
    with BatchAnswers(path) as answers:
        assert answers.done == {3: LINE.key}
    assert path.read_bytes() == whole


def test_what_was_answered_is_known_again_with_its_failures(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    other = BatchLine(number=4, key="batch_req_4_0123456789ab", code="x", trouble="bad")
    with BatchAnswers(path) as answers:
        answers.add(LINE, response={**GOOD, "status_code": 400})
        answers.add(other, response=None, error={"code": "x", "message": "bad"})
    with BatchAnswers(path) as answers:
        assert set(answers.done) == {3, 4}
        assert answers.failed == 2
        assert answers.check(LINE)


def test_an_answer_to_a_line_that_was_changed_is_found(tmp_path: Path) -> None:
    with BatchAnswers(tmp_path / "out.jsonl") as answers:
        answers.add(LINE, response=GOOD)
        changed = BatchLine(number=3, key="batch_req_3_ffffffffffff")
        with pytest.raises(RequestError, match="another line 3"):
            answers.check(changed)


@pytest.mark.parametrize("text", ["notes\n", '{"id": "x"}\n', '{"id": 5, "response": null, "error": null}\n', "[]\n"])
def test_a_file_of_something_else_is_left_alone(tmp_path: Path, text: str) -> None:
    path = tmp_path / "out.jsonl"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RequestError, match="--overwrite"), BatchAnswers(path):
        pass
    assert path.read_text(encoding="utf-8") == text
    with BatchAnswers(path, overwrite=True) as answers:
        assert answers.done == {}
    assert path.read_text(encoding="utf-8") == ""


def test_two_runs_do_not_write_one_file(tmp_path: Path) -> None:
    second = BatchAnswers(tmp_path / "out.jsonl")
    with BatchAnswers(tmp_path / "out.jsonl"), pytest.raises(RequestError, match="another run"):
        second.__enter__()
    with BatchAnswers(tmp_path / "out.jsonl"):
        pass
