"""Ctrl-C while an answer comes: in a terminal it ends the answer, and the talk goes on."""

import contextlib
import signal
import sys
from collections.abc import Iterator
from typing import TypeVar

Piece = TypeVar("Piece")


@contextlib.contextmanager
def listening(pieces: Iterator[Piece]) -> Iterator[Iterator[Piece]]:
    """The pieces up to ctrl-C, which in a terminal only ends them; pressed twice it ends the program."""
    asked_to_stop = False

    def stop(_: int, __: object) -> None:
        nonlocal asked_to_stop
        # Without a terminal there is no next question to go on with.
        if asked_to_stop or not sys.stdin.isatty():
            raise KeyboardInterrupt
        asked_to_stop = True

    def until_stopped() -> Iterator[Piece]:
        for piece in pieces:
            yield piece
            if asked_to_stop:
                return

    before = signal.signal(signal.SIGINT, stop)
    try:
        yield until_stopped()
    finally:
        signal.signal(signal.SIGINT, before)
