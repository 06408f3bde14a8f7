"""The engine's process, spoken to by hand: it answers messages, ends when told, and when nobody is left to tell it."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import pytest

from octavo.engine.config import EngineConfig
from octavo.errors import CheckpointError
from octavo.model import Transformer
from octavo.server.backend.driver import Driver
from octavo.server.backend.engine_main import FAILED, ORPHANED, Room
from octavo.server.backend.link import BlockingLink, Message, MessageTooLong
from octavo.server.backend.wire import facts_of, load_of, progress_of, request_to_plain
from tests.engine.serving import request
from tests.server.engines import save_small

SECONDS = 60


class Spoken:
    """A process and the near end of its link."""

    def __init__(self, process: subprocess.Popen[bytes], near: socket.socket, lifeline: BinaryIO) -> None:
        self.process = process
        self.near = near
        self.link = BlockingLink(near)
        self.lifeline = lifeline
        self.heard: list[Message] = []

    def hear(self, name: str) -> Message:
        """The next message of a name."""
        while True:
            while not self.heard:
                self.heard += self.link.receive(wait=True)
            message = self.heard.pop(0)
            if message[0] == name:
                return message


@contextmanager
def spoken() -> Iterator[Spoken]:
    near, far = socket.socketpair()
    watched, lifeline = os.pipe()
    process = subprocess.Popen(
        [sys.executable, "-m", "octavo.server.backend.engine_main", str(far.fileno()), str(watched)],
        pass_fds=(far.fileno(), watched),
        stderr=subprocess.PIPE,
    )
    far.close()
    os.close(watched)
    with near, open(lifeline, "wb") as held:
        try:
            yield Spoken(process, near, held)
        finally:
            process.kill()
            process.communicate()


@pytest.fixture(scope="module")
def small(sparse: Transformer, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_small(sparse, tmp_path_factory.mktemp("spoken") / "model")


def opening(folder: Path) -> Message:
    return ["open", {"name": str(folder), "device": "cpu"}, {"page_size": 4, "num_pages": 100}]


def test_it_opens_serves_and_stops_when_told(small: Path, sparse: Transformer) -> None:
    with spoken() as engine:
        engine.link.send(opening(small))
        facts = facts_of(engine.hear("ready")[1])
        assert facts.config == sparse.config
        assert facts.num_pages == 99
        engine.link.send(["add", request_to_plain(request([1, 2], "a", max_tokens=3)), None])
        steps = [engine.hear("said") for _ in range(3)]
        assert [progress_of(one).request_id for _, said, _ in steps for one in said] == ["a"] * 3
        engine.link.send(["abort", "nobody", None])
        assert load_of(engine.hear("load")[1]).pages_used == 0
        engine.link.send(["add", ["b", [1], {"temperature": -1.0}, [], ""], None])
        assert engine.hear("refused")[1:3] == ["b", "RequestError"]
        engine.link.send(["add", ["c"], None])
        assert engine.hear("refused")[1:3] == ["c", "OctavoError"]
        engine.link.send(["stop"])
        assert engine.process.wait(SECONDS) == 0


def test_it_says_why_it_cannot_open(tmp_path: Path) -> None:
    with spoken() as engine:
        engine.link.send(opening(tmp_path))
        assert engine.hear("failed")[1] == CheckpointError.__name__
        assert engine.process.wait(SECONDS) == FAILED


def test_it_ends_when_the_link_ends(small: Path) -> None:
    with spoken() as engine:
        engine.link.send(opening(small))
        engine.hear("ready")
        engine.near.shutdown(socket.SHUT_RDWR)
        assert engine.process.wait(SECONDS) == ORPHANED


def test_a_message_that_it_does_not_know_ends_it(small: Path) -> None:
    with spoken() as engine:
        engine.link.send(opening(small))
        engine.hear("ready")
        engine.link.send(["dance"])
        assert engine.process.wait(SECONDS) == ORPHANED


def test_it_ends_with_its_parent_though_it_has_not_opened_yet() -> None:
    with spoken() as engine:
        engine.lifeline.close()
        assert engine.process.wait(SECONDS) == ORPHANED


def test_a_grammar_is_kept_to_and_a_bad_one_harms_only_its_own_request() -> None:
    with spoken() as engine:
        engine.link.send(["open", {"name": "octavo-mini", "device": "cpu"}, {"num_pages": 100}])
        engine.hear("ready")
        engine.link.send(["add", request_to_plain(request([1], "free", max_tokens=5)), None])
        engine.link.send(["add", request_to_plain(request([1], "bad")), ["regex", "(a"]])
        engine.link.send(["add", request_to_plain(request([1], "gone")), ["regex", "[0-9]+"]])
        engine.link.send(["abort", "gone", None])
        engine.link.send(["add", request_to_plain(request([1], "held", eos=[2])), ["regex", "yes|no"]])
        name, kind, reason = engine.hear("refused")[1:]
        assert (name, kind) == ("bad", "RequestError")
        assert "unclosed group" in reason
        seen: dict[str, list[str | None]] = {}
        while "held" not in seen or seen["held"][-1] is None:
            for plain in engine.hear("said")[1]:
                progress = progress_of(plain)
                seen.setdefault(progress.request_id, []).append(progress.finish_reason)
        assert seen["held"][-1] == "stop"
        assert "gone" not in seen


def test_a_model_without_a_tokenizer_knows_no_grammars(small: Path) -> None:
    with spoken() as engine:
        engine.link.send(opening(small))
        engine.hear("ready")
        engine.link.send(["add", request_to_plain(request([1], "a")), ["regex", "a"]])
        assert "no tokenizer" in engine.hear("refused")[3]


class Narrow:
    """A link that holds only so many outputs at once, and none of the request that is called ``long``."""

    def __init__(self) -> None:
        self.sent: list[Message] = []

    def send(self, message: Message) -> None:
        said = message[1] if message[0] == "said" else []
        if len(said) > 1 or any(progress_of(each).request_id == "long" for each in said):
            raise MessageTooLong("it is 9 bytes long: want at most 8, so ask for less at once")
        self.sent.append(message)


def test_what_is_too_much_for_one_message_ends_only_the_request_that_asked_for_it(sparse: Transformer) -> None:
    link, driver = Narrow(), Driver(sparse, EngineConfig(num_pages=50))
    room = Room(link, driver, None)  # type: ignore[arg-type]
    for name in ("short", "long"):
        driver.add(request((1, 2, 3), name, max_tokens=2, ignore_eos=True))
    while driver.busy:
        room._tell(*driver.step())
    refused = [message for message in link.sent if message[0] == "refused"]
    assert [message[1] for message in refused] == ["long"]
    assert "too much came of it: it is 9 bytes long" in refused[0][3]
    told = [progress_of(each) for message in link.sent if message[0] == "said" for each in message[1]]
    assert [progress.request_id for progress in told] == ["short", "short"]
    assert told[-1].finish_reason == "length"
