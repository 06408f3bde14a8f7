"""``octavo chat``: a talk in the terminal, one answer in a pipe."""

import json
import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from octavo import LLM, SamplingParams
from octavo.cli.escaping import escape
from tests.cli.conftest import Run

GREEDY = ("--temperature", "0", "--max-tokens", "6")


def test_a_pipe_is_one_message(octavo: Run, folder: Path) -> None:
    done = octavo("chat", folder, *GREEDY, "--system", "Be brief", stdin="The quick\nbrown fox\n")
    messages = [{"role": "system", "content": "Be brief"}, {"role": "user", "content": "The quick\nbrown fox"}]
    expected = LLM(folder).chat(messages, SamplingParams(temperature=0, max_tokens=6))[0].outputs[0].text
    assert done.exit_code == 0, done.stderr
    assert done.stdout == escape(expected.lstrip()) + "\n"


def test_several_messages_are_one_conversation(octavo: Run, folder: Path) -> None:
    found = json.loads(octavo("chat", folder, *GREEDY, "-p", "The dog", "-p", "The fox", "--json").stdout)
    assert [message["role"] for message in found["messages"]] == ["user", "assistant", "user", "assistant"]
    first, second = (answer["prompt_token_ids"] for answer in found["answers"])
    assert second[: len(first)] == first
    assert len(found["answers"][0]["outputs"][0]["routed_experts"][0]) == 3


def test_experts_colour_the_answer(octavo: Run, folder: Path) -> None:
    done = octavo("chat", folder, *GREEDY, "-p", "The dog", "--experts", "0")
    assert "layer 0, first choice of" in done.stdout


def test_a_model_without_a_chat_template_is_refused(octavo: Run, folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name != "octavo-manifest.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    settings = json.loads((tmp_path / "tokenizer_config.json").read_text())
    del settings["chat_template"]
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(settings))
    done = octavo("chat", tmp_path, "-p", "The dog")
    assert done.exit_code == 2
    assert "octavo generate" in done.stderr
    assert done.stderr.count("\n") == 1


class Typed:
    """A process that talks with a terminal."""

    def __init__(self, terminal: int, child: subprocess.Popen[bytes]) -> None:
        self.terminal = terminal
        self.child = child
        self.seen = ""

    def wait_for(self, text: str, *, seconds: float = 60) -> None:
        end = time.monotonic() + seconds
        while text not in self.seen:
            assert time.monotonic() < end, self.seen
            self.seen += self._read()

    def type(self, text: str) -> None:
        self.seen = ""
        os.write(self.terminal, text.encode())

    def _read(self) -> str:
        try:
            return os.read(self.terminal, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            time.sleep(0.01)
            return ""


@contextmanager
def terminal(*arguments: str) -> Iterator[Typed]:
    ours, theirs = pty.openpty()
    env = os.environ | {"OMP_NUM_THREADS": "1", "TERM": "xterm-256color"}
    command = [sys.executable, "-m", "octavo", *arguments]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, start_new_session=True
    ) as child:
        os.close(theirs)
        try:
            yield Typed(ours, child)
        finally:
            child.kill()
            os.close(ours)


def test_ctrl_c_stops_the_answer_and_ctrl_d_the_program(make_folder: Callable[..., Path]) -> None:
    endless = make_folder(context_length=200_000)
    with terminal("chat", str(endless), "--max-tokens", "150000", "--ignore-eos") as talk:
        talk.wait_for(">>> ")
        talk.type("Tell me all\n")
        talk.wait_for("\n")
        time.sleep(0.5)
        talk.seen = ""
        talk.wait_for(" ")  # it writes
        os.killpg(talk.child.pid, signal.SIGINT)
        talk.wait_for(">>> ")
        assert talk.child.poll() is None
        talk.type("/experts 1\n")
        talk.wait_for(">>> ")
        talk.type("\x04")
        assert talk.child.wait(timeout=30) == 0
    assert "Traceback" not in talk.seen


@pytest.mark.parametrize("word", ["/exit"])
def test_exit_in_a_terminal_ends_with_0(folder: Path, word: str) -> None:
    with terminal("chat", str(folder)) as talk:
        talk.wait_for(">>> ")
        talk.type(word + "\n")
        assert talk.child.wait(timeout=30) == 0
