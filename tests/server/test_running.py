"""A server as its users meet it: started by its command, asked over HTTP, stopped by a signal or its engine's death."""

import contextlib
import json
import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from benchmarks.promises.served import Served, family, serving
from tests.server.engines import gone


@pytest.fixture
def served(request: pytest.FixtureRequest) -> Iterator[Served]:
    with serving(*getattr(request, "param", ())) as one:
        yield one


class Stream:
    """A long answer, begun."""

    def __init__(self, served: Served, max_tokens: int) -> None:
        self.connection = served.connect()
        body = {"prompt": "Once upon a time", "max_tokens": max_tokens, "stream": True, "ignore_eos": True}
        self.connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        self.answer = self.connection.getresponse()
        assert self.answer.status == 200
        self.answer.readline()

    def rest(self) -> str:
        """What comes until it ends."""
        with contextlib.closing(self.connection), self.answer:
            return self.answer.read().decode()


def engine_of(served: Served) -> int:
    """The process of the engine."""
    (engine,) = [
        pid
        for pid in family(served.child.pid)
        if "octavo.server.backend.engine_main" in Path(f"/proc/{pid}/cmdline").read_text()
    ]
    return engine


@pytest.mark.parametrize("served", [("--shutdown-timeout", "60")], indirect=True)
def test_a_signal_lets_running_answers_end_and_takes_no_new_ones(served: Served) -> None:
    engine = engine_of(served)
    answer = Stream(served, 600)
    served.child.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    status, body = served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1})
    assert status == 503
    assert "draining" in body["error"]["message"]
    assert served.ask("/health")[0] == 503
    text = answer.rest()
    assert text.endswith("data: [DONE]\n\n")
    assert '"finish_reason":"length"' in text
    assert served.child.wait(20) == 0
    assert gone(engine)
    assert "Traceback" not in served.told()


@pytest.mark.parametrize("served", [("--shutdown-timeout", "0.5")], indirect=True)
def test_an_answer_that_outlasts_the_timeout_is_told_and_the_server_ends(served: Served) -> None:
    answer = Stream(served, 1900)
    began = time.monotonic()
    served.child.send_signal(signal.SIGTERM)
    text = answer.rest()
    assert served.child.wait(20) == 0
    assert time.monotonic() - began < 6
    assert '"error"' in text
    assert text.endswith("data: [DONE]\n\n")
    assert "Traceback" not in served.told()


@pytest.mark.parametrize("served", [(), ("--on-engine-death", "restart")], indirect=True, ids=["exit", "restart"])
def test_a_dead_engine_is_told_at_once(served: Served, request: pytest.FixtureRequest) -> None:
    restarts = "restart" in request.node.name
    answers = [Stream(served, 1900) for _ in range(3)]
    os.kill(engine_of(served), signal.SIGKILL)
    began = time.monotonic()
    texts = [answer.rest() for answer in answers]
    assert time.monotonic() - began < 2
    for text in texts:
        assert re.search(r'data: \{"error":.*engine.*\}\n\ndata: \[DONE\]\n\n$', text)
    if not restarts:
        assert served.child.wait(20) == 5
        last = served.told().strip().splitlines()[-1]
        assert "the engine's process has died: it was ended by SIGKILL" in last
        return
    until = time.monotonic() + 60
    while served.ask("/health")[0] != 200:
        assert time.monotonic() < until
        time.sleep(0.1)
    assert served.ask("/v1/completions", {"prompt": "a", "max_tokens": 3})[0] == 200


def test_a_second_signal_ends_it_now(served: Served) -> None:
    answer = Stream(served, 1900)
    reading = threading.Thread(target=answer.rest)
    reading.start()
    served.child.send_signal(signal.SIGINT)
    time.sleep(0.3)
    assert served.alive
    served.child.send_signal(signal.SIGINT)
    assert served.child.wait(10) == 0
    reading.join(5)
    assert not reading.is_alive()
