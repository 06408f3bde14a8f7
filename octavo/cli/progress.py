"""Progress of long work, on stderr and only where that is a terminal, so that stdout is the command's own."""

import contextlib
import sys
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from octavo.cli.escaping import escape_line
from octavo.cli.sizes import short

Tell = Callable[[str, int, int], None]
"""Called with what was just done, how much is done, and how much there is."""


@contextlib.contextmanager
def byte_bar(label: str) -> Iterator[Tell]:
    """Shows a bar of bytes with their speed and the time left; it vanishes at the end."""
    with _bar(label, DownloadColumn(), TransferSpeedColumn()) as tell:
        yield tell


@contextlib.contextmanager
def count_bar(label: str) -> Iterator[Tell]:
    """Shows a bar of things done with the time left; it vanishes at the end."""
    with _bar(label, MofNCompleteColumn()) as tell:
        yield tell


TellTokens = Callable[[float, int], None]
"""Called with the share of the work that is done, from 0 to 1, and the tokens so far."""


@contextlib.contextmanager
def token_bar(label: str) -> Iterator[TellTokens]:
    """Shows a bar of a whole with its tokens, their speed and the time left; it vanishes at the end."""
    began = time.monotonic()
    with _bar(label, TaskProgressColumn(), TextColumn("{task.fields[shown]}")) as tell:

        def tell_tokens(share: float, tokens: int) -> None:
            speed = tokens / max(time.monotonic() - began, 1e-9)
            tell(f"{short(tokens)} tokens, {short(round(speed))}/s", round(min(share, 1.0) * 1e6), 10**6)

        yield tell_tokens


@contextlib.contextmanager
def _bar(label: str, *columns: ProgressColumn) -> Iterator[Tell]:
    console = error_console()
    if not console.is_terminal:
        yield _say_nothing
        return
    shown = (TextColumn("{task.description}"), BarColumn(), *columns, TimeRemainingColumn())
    with Progress(*shown, console=console, transient=True) as progress:
        task = progress.add_task(escape_line(label), total=None, shown="")

        def tell(said: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total, shown=said)

        yield tell


def error_console() -> Console:
    """A console on stderr."""
    return Console(file=sys.stderr, highlight=False, markup=False, emoji=False)


def _say_nothing(_: str, __: int, ___: int) -> None:
    """Where nobody looks, nothing is shown."""


@contextlib.contextmanager
def spinner(label: str) -> Iterator[None]:
    """Shows that something goes on whose length nobody knows; it vanishes at the end."""
    console = error_console()
    if not console.is_terminal:
        yield
        return
    with console.status(escape_line(label)):
        yield
