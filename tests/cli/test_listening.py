"""Ctrl-C ends an answer in a terminal, and the program elsewhere."""

import os
import signal
from collections.abc import Iterator

import pytest

from octavo.cli.listening import listening


class Terminal:
    def isatty(self) -> bool:
        return True


def endless(*, interrupt_at: int) -> Iterator[int]:
    for number in range(10_000):
        if number == interrupt_at:
            os.kill(os.getpid(), signal.SIGINT)
        yield number


def test_in_a_terminal_the_pieces_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", Terminal())
    before = signal.getsignal(signal.SIGINT)
    with listening(endless(interrupt_at=3)) as pieces:
        assert list(pieces) == [0, 1, 2, 3]
    assert signal.getsignal(signal.SIGINT) is before


def test_elsewhere_the_program_ends() -> None:
    with pytest.raises(KeyboardInterrupt), listening(endless(interrupt_at=3)) as pieces:
        list(pieces)
