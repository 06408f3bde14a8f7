"""Progress is for people: on stderr, and only where it is a terminal."""

import io

import pytest

from octavo.cli.progress import byte_bar, count_bar, spinner, token_bar


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("bar", [byte_bar, count_bar])
def test_nothing_is_written_where_nobody_looks(bar: object, capsys: pytest.CaptureFixture[str]) -> None:
    with bar("working") as tell:  # type: ignore[operator]
        tell("a tensor", 1, 2)
    with spinner("thinking"):
        pass
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("bar", [byte_bar, count_bar])
def test_a_terminal_sees_a_bar(
    bar: object, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with bar("work\x1b[31m") as tell:  # type: ignore[operator]
        tell("a tensor", 1, 2)
        tell("another", 2, 2)
    assert "work\\x1b[31m" in terminal.getvalue()
    assert capsys.readouterr().out == ""


def test_a_terminal_sees_tokens_their_speed_and_the_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.setenv("COLUMNS", "120")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with token_bar("tracing") as tell:
        tell(0.25, 1500)
    assert "25%" in terminal.getvalue()
    assert "1.50 k tokens" in terminal.getvalue()


def test_a_terminal_sees_that_something_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm-256color")
    terminal = Terminal()
    monkeypatch.setattr("sys.stderr", terminal)
    with spinner("loading"):
        pass
    assert "loading" in terminal.getvalue()
