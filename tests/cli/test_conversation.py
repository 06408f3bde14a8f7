"""A conversation remembers, forgets when asked, and survives bad commands and ctrl-C."""

import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from octavo import LLM, SamplingParams
from octavo.api.outputs import CompletionDelta
from octavo.cli import conversation
from octavo.cli.conversation import Conversation
from octavo.cli.local_speaker import LocalSpeaker
from octavo.cli.screen import open_screen

Start = Callable[..., Conversation]


@pytest.fixture(scope="module")
def llm(folder: Path) -> LLM:
    return LLM(folder)


@pytest.fixture
def start(llm: LLM, monkeypatch: pytest.MonkeyPatch) -> Start:
    """A conversation that hears these lines, as if they were typed; an exception among them is raised."""

    def begin(*lines: str | BaseException, system: str | None = None, layer: int | None = None) -> Conversation:
        typed = iter(lines)

        def type_next(_: str) -> str:
            line = next(typed, EOFError())
            if isinstance(line, BaseException):
                raise line
            return line

        monkeypatch.setattr("builtins.input", type_next)
        params = SamplingParams(temperature=0, max_tokens=4)
        return Conversation(LocalSpeaker(llm, params), screen=open_screen(), system=system, layer=layer)

    return begin


def roles(held: Conversation) -> list[str]:
    return [message["role"] for message in held.messages]


def test_everything_that_was_said_is_remembered(start: Start) -> None:
    held = start("The dog", "The fox", system="Be brief")
    held.talk()
    assert roles(held) == ["system", "user", "assistant", "user", "assistant"]
    assert [held.messages[place]["content"] for place in (0, 1, 3)] == ["Be brief", "The dog", "The fox"]


def test_reset_forgets_all_but_the_system_message(start: Start) -> None:
    held = start("The dog", "/reset", system="Be brief")
    held.talk()
    assert roles(held) == ["system"]


@pytest.mark.parametrize("word", ["/exit", "/quit"])
def test_exit_ends_it(start: Start, word: str) -> None:
    held = start(word, "never said")
    held.talk()
    assert held.messages == []


def test_a_backslash_goes_on_in_the_next_line(start: Start) -> None:
    held = start("one\\", "two")
    held.talk()
    assert held.messages[0]["content"] == "one\ntwo"


def test_experts_can_be_switched_on_and_off(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    held = start("/experts 2", "The dog", "/experts off", "The fox")
    held.talk()
    out = capsys.readouterr().out
    assert out.count("layer 2, first choice of") == 1
    assert "[INST]" not in out  # the prompt is not shown again
    assert held.layer is None


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("/experts 3", "--experts is 3"),
        ("/experts", "/experts is empty"),
        ("/experts red", "/experts is red"),
        ("/exprets 1", "/exprets is no command"),
        ("word " * 300, "the model's length is 256"),
    ],
)
def test_a_bad_line_is_said_and_the_talk_goes_on(
    start: Start, line: str, found: str, capsys: pytest.CaptureFixture[str]
) -> None:
    held = start(line, "The dog")
    held.talk()
    error = capsys.readouterr().err
    assert found in error
    assert error.count("\n") == 1
    assert roles(held) == ["user", "assistant"]


def test_ctrl_c_at_the_prompt_says_how_to_end(start: Start, capsys: pytest.CaptureFixture[str]) -> None:
    held = start(KeyboardInterrupt(), "The dog")
    held.talk()
    assert "/exit; ctrl-D ends" in capsys.readouterr().out
    assert roles(held) == ["user", "assistant"]


def endless(*, interrupt_at: int) -> Iterator[CompletionDelta]:
    """Deltas that never end; at one of them somebody presses ctrl-C."""
    for number in range(10_000):
        if number == interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        yield CompletionDelta(
            request_id="0",
            index=0,
            text=f"{number} ",
            token_ids=[],
            logprobs=[],
            finish_reason=None,
            stop_reason=None,
            prompt_logprobs=[],
        )


class Terminal:
    def isatty(self) -> bool:
        return True


def test_ctrl_c_ends_an_answer_and_keeps_what_was_said(
    start: Start, llm: LLM, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    held = start()
    monkeypatch.setattr("sys.stdin", Terminal())
    monkeypatch.setattr(llm, "stream", lambda *_: endless(interrupt_at=5))
    before = signal.getsignal(signal.SIGINT)
    held.say("Count")
    assert held.messages[-1] == {"role": "assistant", "content": "0 1 2 3 4 5"}
    assert signal.getsignal(signal.SIGINT) is before


def test_ctrl_c_without_a_terminal_ends_the_program(start: Start, llm: LLM, monkeypatch: pytest.MonkeyPatch) -> None:
    held = start()
    monkeypatch.setattr(llm, "stream", lambda *_: endless(interrupt_at=5))
    with pytest.raises(KeyboardInterrupt):
        held.say("Count")
    assert held.messages == []


def test_commands_are_told() -> None:
    assert all(word in conversation.COMMANDS for word in ("/experts", "/reset", "/exit"))
