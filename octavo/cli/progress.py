"""Progress of long work, on stderr and only where that is a terminal, so that stdout is the command's own."""

import contextlib
import sys
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from octavo.cli.escaping import escape_line

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


@contextlib.contextmanager
def _bar(label: str, *columns: ProgressColumn) -> Iterator[Tell]:
    console = error_console()
    if not console.is_terminal:
        yield _say_nothing
        return
    shown = (TextColumn("{task.description}"), BarColumn(), *columns, TimeRemainingColumn())
    with Progress(*shown, console=console, transient=True) as progress:
        task = progress.add_task(escape_line(label), total=None)

        def tell(_: str, done: int, total: int) -> None:
            progress.update(task, completed=done, total=total)

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
