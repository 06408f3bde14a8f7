"""``octavo run-batch``: killed with -9 at any moment and started again, it answers every request once."""

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.conftest import Run
from tests.client.pretended import Pretended, listening


@pytest.fixture(autouse=True)
def no_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OCTAVO_API_KEY", "OPENAI_API_KEY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def app() -> Pretended:
    return Pretended(seconds=0.02)


@pytest.fixture
def url(app: Pretended) -> Iterator[str]:
    with listening(app) as found:
        yield found


def written(path: Path, count: int) -> Path:
    lines = [
        {
            "custom_id": f"id-{n}",
            "method": "POST",
            "url": "/v1/completions",
            "body": {"model": "m", "prompt": f"t{n} a b"},
        }
        for n in range(count)
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    return path


def test_a_run_that_is_killed_at_any_moment_answers_every_request_once(tmp_path: Path, url: str) -> None:
    requests, out = written(tmp_path / "in.jsonl", 150), tmp_path / "out.jsonl"
    call = [sys.executable, "-m", "octavo", "run-batch", "-i", str(requests), "-o", str(out), "--url", url]
    draw, kills = random.Random(1), 0
    while True:
        with subprocess.Popen([*call, "--max-concurrency", "4"], stdout=subprocess.PIPE, text=True) as child:
            begun = out.stat().st_size if out.exists() else 0
            while child.poll() is None and (out.stat().st_size if out.exists() else 0) == begun:
                time.sleep(0.005)
            time.sleep(draw.random() * 0.15)
            if child.poll() is None and kills < 6:
                child.send_signal(signal.SIGKILL)
                kills += 1
                # What a kill in the middle of a write would leave.
                with out.open("ab") as file:
                    file.write(b'{"id": "batch_req_')
                continue
            said = child.communicate()[0]
            assert child.returncode == 0
            break
    assert kills == 6
    answers = [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()]
    assert sorted(answer["custom_id"] for answer in answers) == sorted(f"id-{n}" for n in range(150))
    for answer in answers:
        text = answer["response"]["body"]["choices"][0]["text"]
        assert text == f"T{answer['custom_id'].removeprefix('id-')} A B"
    assert "before that" in said


def test_json_says_what_was_done(octavo: Run, tmp_path: Path, url: str) -> None:
    requests = written(tmp_path / "in.jsonl", 3)
    with requests.open("a", encoding="utf-8") as file:
        file.write("no JSON\n")
    for before in (0, 4):
        done = octavo("run-batch", "-i", requests, "-o", tmp_path / "out.jsonl", "--url", url, "--json")
        found = json.loads(done.stdout)
        assert (found["requests"], found["answered_before"], found["failed"]) == (4, before, 1)


def test_a_model_here_answers_as_a_server_would(octavo: Run, tmp_path: Path, folder: Path) -> None:
    lines = [
        {"custom_id": "c", "url": "/v1/completions", "body": {"model": "small", "prompt": "The dog", "max_tokens": 4}},
        {
            "custom_id": "m",
            "url": "/v1/chat/completions",
            "body": {
                "model": "small",
                "messages": [{"role": "user", "content": "Hi"}],
                "max_tokens": 4,
                "routing": True,
            },
        },
        {"custom_id": "x", "url": "/v1/completions", "body": {"model": "other", "prompt": "The dog"}},
    ]
    requests = tmp_path / "in.jsonl"
    requests.write_text("".join(json.dumps(line) + "\n" for line in lines), encoding="utf-8")
    flags = ("--served-model-name", "small")
    done = octavo("run-batch", folder, "-i", requests, "-o", tmp_path / "out.jsonl", *flags)
    assert done.exit_code == 0, done.stderr
    assert "3 requests answered" in done.stdout
    found = {each["custom_id"]: each for each in map(json.loads, (tmp_path / "out.jsonl").read_text().splitlines())}
    assert found["c"]["response"]["body"]["usage"]["completion_tokens"] == 4
    assert len(found["m"]["response"]["body"]["choices"][0]["routed_experts"][0]) == 3
    assert found["x"]["response"]["status_code"] == 404


@pytest.mark.parametrize(
    ("flags", "found"),
    [
        (["--max-concurrency", "0"], "--max-concurrency is 0"),
        (["--url", "http://127.0.0.1:9", "--dtype", "float32"], "--dtype loads a model here"),
        (["--url", "http://127.0.0.1:9", "--served-model-name", "a"], "--served-model-name names a model here"),
    ],
)
def test_what_cannot_be_is_one_line(octavo: Run, tmp_path: Path, flags: list[str], found: str) -> None:
    requests = written(tmp_path / "in.jsonl", 1)
    done = octavo("run-batch", "-i", requests, "-o", tmp_path / "out.jsonl", *flags)
    assert done.exit_code == 2
    assert found in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_file_and_a_missing_model_are_told(octavo: Run, tmp_path: Path) -> None:
    done = octavo("run-batch", "-i", tmp_path / "none", "-o", tmp_path / "out.jsonl")
    assert done.exit_code == 2
    assert not os.path.exists(tmp_path / "out.jsonl")
    done = octavo("run-batch", tmp_path / "model", "-i", written(tmp_path / "in", 1), "-o", tmp_path / "out.jsonl")
    assert done.exit_code == 3
    assert done.stderr.count("\n") == 1
