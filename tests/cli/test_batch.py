"""Before a model is loaded, the files are looked at; in the end one line says what came of it."""

from pathlib import Path

import pytest

from octavo.cli.batch import Files, told
from octavo.client.batch_run import BatchOutcome
from octavo.errors import RequestError


def test_a_file_does_not_answer_itself(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text("", encoding="utf-8")
    with pytest.raises(RequestError, match="a file of their own"):
        Files(requests=path, answers=tmp_path / "." / "x.jsonl").check()


def test_a_file_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Files(requests=tmp_path / "x", answers=tmp_path / "y").check()


def test_the_outcome_is_one_line() -> None:
    assert told(BatchOutcome(total=1000, before=0, failed=0), 2.0, Path("o")) == "1,000 requests answered in 2.0 s: o"
    line = told(BatchOutcome(total=1000, before=400, failed=3), 2.0, Path("o"))
    assert line == "600 requests answered in 2.0 s, 400 before that; 3 with an error: o"
