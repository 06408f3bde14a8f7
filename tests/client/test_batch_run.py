"""Every line of a file is answered once: past busy and broken servers, and past an end at any moment."""

import asyncio
import json
from pathlib import Path

import httpx2
import pytest

from octavo.client import batch_run
from octavo.client.batch_answers import BatchAnswers
from octavo.client.batch_run import BatchOutcome, first_trouble, run_batch
from octavo.client.endpoint import Endpoint, ServerError
from octavo.errors import RequestError
from tests.client.pretended import Pretended

WAIT = batch_run._wait
HERE = Endpoint(url="http://here")


def written(path: Path, texts: list[str], *, chat: bool = False) -> Path:
    lines = [
        {
            "custom_id": f"id-{number}",
            "method": "POST",
            "url": "/v1/chat/completions" if chat else "/v1/completions",
            "body": {"model": "m", **({"messages": [{"role": "user", "content": text}]} if chat else {"prompt": text})},
        }
        for number, text in enumerate(texts)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def run(app: Pretended | httpx2.AsyncBaseTransport, requests: Path, out: Path, *, at_once: int = 4) -> BatchOutcome:
    transport = httpx2.ASGITransport(app) if isinstance(app, Pretended) else app

    async def go() -> BatchOutcome:
        with BatchAnswers(out) as answers:
            async with httpx2.AsyncClient(transport=transport, base_url=HERE.url) as client:
                return await run_batch(client, HERE, requests, answers, concurrency=at_once, tell=lambda *_: None)

    try:
        return asyncio.run(go())
    except BaseExceptionGroup as group:
        raise first_trouble(group) from None


def answers_of(out: Path) -> dict[str, dict[str, object]]:
    lines = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert len({line["id"] for line in lines}) == len(lines)
    return {line["custom_id"]: line for line in lines}


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(batch_run, "_wait", lambda *_: 0.001)


@pytest.mark.parametrize("chat", [False, True])
def test_every_line_is_answered(tmp_path: Path, chat: bool) -> None:
    app = Pretended()
    texts = [f"text {number}" for number in range(20)]
    found = run(app, written(tmp_path / "in.jsonl", texts, chat=chat), tmp_path / "out.jsonl")
    assert found == BatchOutcome(total=20, before=0, failed=0)
    assert set(answers_of(tmp_path / "out.jsonl")) == {f"id-{number}" for number in range(20)}
    assert max(app.asked.values()) == 1


def test_no_more_are_asked_at_once_than_allowed(tmp_path: Path) -> None:
    app = Pretended(seconds=0.002)
    run(app, written(tmp_path / "in.jsonl", ["a"] * 20), tmp_path / "out.jsonl", at_once=3)
    assert app.most_at_once == 3


def test_bad_lines_are_answered_with_their_error_and_are_not_fatal(tmp_path: Path) -> None:
    path = written(tmp_path / "in.jsonl", ["good", "bad"])
    with path.open("a", encoding="utf-8") as file:
        file.write("{\n[]\n")
    found = run(Pretended(), path, tmp_path / "out.jsonl")
    assert (found.total, found.failed) == (4, 3)
    lines = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text(encoding="utf-8").splitlines()]
    told = {line["id"].split("_")[2]: line for line in lines}
    assert told["1"]["response"]["body"]["choices"][0]["text"] == "GOOD"
    assert told["2"]["response"]["status_code"] == 400
    assert told["2"]["response"]["body"]["error"]["message"] == "that is bad"
    assert told["3"]["error"]["code"] == "invalid_json_line"
    assert told["4"]["response"] is None


@pytest.mark.parametrize("refusal", [429, 503, 500])
def test_a_server_that_is_busy_is_asked_again(tmp_path: Path, refusal: int) -> None:
    app = Pretended(refusals=2, refusal=refusal)
    found = run(app, written(tmp_path / "in.jsonl", ["a"]), tmp_path / "out.jsonl")
    assert found.failed == 0
    assert app.asked == {"a": 1}


def test_a_server_that_stays_busy_ends_the_run_and_no_line_is_lost(tmp_path: Path) -> None:
    path = written(tmp_path / "in.jsonl", ["a", "b"])
    with pytest.raises(ServerError, match="answers 429: too busy"):
        run(Pretended(refusals=10_000), path, tmp_path / "out.jsonl", at_once=1)
    found = run(Pretended(), path, tmp_path / "out.jsonl")
    assert (found.total, found.before, found.failed) == (2, 0, 0)


def test_a_broken_answer_is_written_down_after_three_tries(tmp_path: Path) -> None:
    found = run(Pretended(refusals=10_000, refusal=500), written(tmp_path / "in.jsonl", ["a"]), tmp_path / "out.jsonl")
    assert found.failed == 1
    assert answers_of(tmp_path / "out.jsonl")["id-0"]["response"]["status_code"] == 500  # type: ignore[index]


def test_a_server_that_is_gone_ends_the_run(tmp_path: Path) -> None:
    def gone(_: httpx2.Request) -> httpx2.Response:
        raise httpx2.ConnectError("refused")

    path = written(tmp_path / "in.jsonl", ["a"])
    with pytest.raises(ServerError, match="nothing answers"):
        run(httpx2.MockTransport(gone), path, tmp_path / "out.jsonl")
    assert (tmp_path / "out.jsonl").read_bytes() == b""


def test_a_wrong_key_ends_the_run_at_once(tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="OCTAVO_API_KEY"):
        run(Pretended(key="k"), written(tmp_path / "in.jsonl", ["a"]), tmp_path / "out.jsonl")


def test_an_answer_that_is_no_json_is_an_error_of_its_line(tmp_path: Path) -> None:
    page = httpx2.MockTransport(lambda _: httpx2.Response(200, text="<html>"))
    run(page, written(tmp_path / "in.jsonl", ["a"]), tmp_path / "out.jsonl")
    assert answers_of(tmp_path / "out.jsonl")["id-0"]["error"]["code"] == "bad_answer"  # type: ignore[index]


def test_a_run_goes_on_where_it_ended_wherever_that_was(tmp_path: Path) -> None:
    path, out = written(tmp_path / "in.jsonl", [f"t{n}" for n in range(6)]), tmp_path / "out.jsonl"
    run(Pretended(), path, out)
    whole = out.read_bytes()
    for cut in range(0, len(whole), 37):
        out.write_bytes(whole[:cut])
        app = Pretended()
        found = run(app, path, out)
        assert found.total == len(answers_of(out)) == 6
        assert found.before + sum(app.asked.values()) == 6


def test_a_file_that_grew_is_taken_up_and_one_that_changed_is_refused(tmp_path: Path) -> None:
    path, out = written(tmp_path / "in.jsonl", ["a"]), tmp_path / "out.jsonl"
    run(Pretended(), path, out)
    app = Pretended()
    assert run(app, written(path, ["a", "b"]), out) == BatchOutcome(total=2, before=1, failed=0)
    assert app.asked == {"b": 1}
    with pytest.raises(RequestError, match="another line 1"):
        run(app, written(path, ["c", "b"]), out)
    assert app.asked == {"b": 1}


def test_waiting_follows_the_server_and_otherwise_doubles() -> None:
    assert 1.5 <= WAIT(1, "2") <= 2.5
    assert 3 <= WAIT(4, None) <= 5
    assert WAIT(20, None) <= 40
    assert WAIT(1, "tomorrow") > 0


def test_of_errors_in_groups_the_first_is_told() -> None:
    assert isinstance(first_trouble(ExceptionGroup("g", [ExceptionGroup("h", [ValueError("v")])])), ValueError)
