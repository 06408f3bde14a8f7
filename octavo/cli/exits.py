"""How a command ends: its exit code, and for every failure one line on stderr that says what to do next.

    0 done · 1 a bug of ours · 2 wrong usage or a request that cannot be served · 3 a model that is missing or damaged ·
    4 out of memory · 5 the engine of a server died · 130 interrupted

``OCTAVO_DEBUG=1`` shows where an error came from.
"""

import contextlib
import functools
import os
import sys
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from octavo.cli.escaping import escape_line
from octavo.errors import CheckpointError, ConfigError, OctavoError, OverCapacity, TokenizerError

OK, BUG, USAGE, BAD_MODEL, OUT_OF_MEMORY, ENGINE_DIED, INTERRUPTED = 0, 1, 2, 3, 4, 5, 130

# What torch says when an allocation fails on a CPU; on a GPU it has a class of its own.
NO_MEMORY = ("can't allocate memory", "not enough memory", "CUDA out of memory", "out of memory")


class _BadModelError(Exception):
    """Carries an error out of ``opening_model``; its cause is the error itself."""


@contextlib.contextmanager
def opening_model() -> Iterator[None]:
    """Marks errors of a model's files, which exit with 3; the same classes elsewhere mean a bad request."""
    try:
        yield
    except (CheckpointError, ConfigError, TokenizerError) as error:
        raise _BadModelError from error


@contextlib.contextmanager
def one_line_errors() -> Iterator[None]:
    """Turns whatever a command raises into one line on stderr and an exit code; a closed pipe ends it quietly."""
    warnings.showwarning = _show_warning
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        raise SystemExit(OK) from None
    except KeyboardInterrupt:
        raise SystemExit(INTERRUPTED) from None
    except Exception as error:
        cause = error.__cause__ if isinstance(error, _BadModelError) and error.__cause__ else error
        if os.environ.get("OCTAVO_DEBUG", "") not in ("", "0"):
            traceback.print_exception(cause)
        code, message = explain(error)
        complain(message)
        raise SystemExit(code) from None


def guarded(command: Callable[..., None]) -> Callable[..., None]:
    """Returns the command with ``one_line_errors`` around it."""

    @functools.wraps(command)
    def run(*values: Any, **named: Any) -> None:
        with one_line_errors():
            command(*values, **named)

    return run


def explain(error: BaseException) -> tuple[int, str]:
    """Returns the exit code of an error and the line that tells it."""
    if isinstance(error, _BadModelError):
        return BAD_MODEL, str(error.__cause__)
    if isinstance(error, CheckpointError):
        return BAD_MODEL, str(error)
    if isinstance(error, OverCapacity):
        return OUT_OF_MEMORY, str(error)
    if isinstance(error, OctavoError):
        return USAGE, str(error)
    if _is_out_of_memory(error):
        way_out = "try a smaller model, a smaller --dtype, fewer --max-num-seqs or a shorter --max-model-len"
        return OUT_OF_MEMORY, f"out of memory ({str(error) or type(error).__name__}): {way_out}"
    if isinstance(error, OSError):
        named = f"{error.filename}: " if error.filename else ""
        return USAGE, f"{named}{error.strerror or error}: check the path, its permissions and the room on the disk"
    return BUG, f"this is a bug: {type(error).__name__}: {error}: OCTAVO_DEBUG=1 shows where; please report it"


def complain(message: str) -> None:
    """Writes one line to stderr, whatever the message holds."""
    with contextlib.suppress(OSError, ValueError):  # stderr may be closed
        print(f"octavo: {escape_line(' '.join(message.split()))}", file=sys.stderr, flush=True)


def drop_output() -> None:
    """Points stdout at nothing, so that what is still in its buffer cannot fail once more when Python ends."""
    with contextlib.suppress(OSError, ValueError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _is_out_of_memory(error: BaseException) -> bool:
    if isinstance(error, MemoryError):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in NO_MEMORY)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    complain(f"warning: {message}")
