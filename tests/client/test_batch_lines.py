"""A line of a batch is a request, or says in one line why it is none; whatever it holds, the file goes on."""

import json
from pathlib import Path

import pytest

from octavo.client import batch_lines
from octavo.client.batch_lines import BatchLine, parse_line, read_lines
from octavo.errors import RequestError

GOOD = {"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"prompt": "x"}}


def parsed(line: object) -> BatchLine:
    raw = line if isinstance(line, bytes) else json.dumps(line).encode()
    return parse_line(raw, number=1, key="k")


def test_a_good_line_is_a_request() -> None:
    line = parsed(GOOD)
    assert (line.custom_id, line.path, line.body, line.trouble) == ("a", "/v1/completions", {"prompt": "x"}, "")


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"{", "invalid_json_line"),
        (b"\xff\xfe", "invalid_json_line"),
        (b'{"custom_id": "a", "body": NaN}', "invalid_json_line"),
        (b"[" * 100_000, "invalid_json_line"),
        ([1], "invalid_line"),
        ({**GOOD, "priority": 1}, "invalid_line"),
        ({**GOOD, "custom_id": 7}, "missing_custom_id"),
        ({**GOOD, "method": "GET"}, "invalid_method"),
        ({**GOOD, "url": "/v1/files"}, "invalid_url"),
        ({**GOOD, "url": "http://elsewhere/v1/completions"}, "invalid_url"),
        ({**GOOD, "url": ["/v1/completions"]}, "invalid_url"),
        ({**GOOD, "body": []}, "invalid_body"),
        ({**GOOD, "body": {"stream": True}}, "invalid_body"),
    ],
)
def test_a_bad_line_says_why(line: object, code: str) -> None:
    found = parsed(line)
    assert found.code == code
    assert found.trouble
    assert "\n" not in found.trouble
    assert found.body is None


def test_a_bad_line_keeps_its_custom_id() -> None:
    assert parsed({**GOOD, "url": "x"}).custom_id == "a"


def test_lines_are_known_by_their_number_and_what_they_say(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n\n  \n{json.dumps(GOOD | {'custom_id': 'b'})}", encoding="utf-8")
    first, second = read_lines(path)
    assert (first.number, second.number) == (1, 4)
    assert first.key.startswith("batch_req_1_")
    assert first.key.split("_")[-1] != second.key.split("_")[-1]


def test_an_id_that_stands_twice_is_answered_once(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_text(f"{json.dumps(GOOD)}\n{json.dumps(GOOD)}\n", encoding="utf-8")
    first, second = read_lines(path)
    assert not first.trouble
    assert second.code == "duplicate_custom_id"
    assert "line 1" in second.trouble


def test_a_line_without_an_end_is_skipped_and_not_held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_lines, "LONGEST", 200)
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"x" * 1000 + b"\n" + json.dumps(GOOD).encode() + b"\n" + b"y" * 201)
    found = [(line.number, line.code) for line in read_lines(path)]
    assert found == [(1, "line_too_long"), (2, ""), (3, "line_too_long")]


def test_a_folder_is_no_file_of_requests(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="folder"):
        list(read_lines(tmp_path))
