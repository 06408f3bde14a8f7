"""Prompts from the command line, from files, and from stdin."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from octavo.errors import RequestError

STDIN = "-"
# More than any model can read; it keeps a mistaken path from filling the memory.
LONGEST = 64 * 2**20


def read_prompts(texts: list[str] | None, files: list[Path] | None) -> list[str]:
    """Returns the prompts of ``-p`` and ``--prompt-file``, in this order; ``-`` is stdin.

    Raises RequestError when there is none, or one that is not UTF-8.
    """
    prompts = [_without_last_break(_read_stdin()) if text == STDIN else _checked(text) for text in texts or []]
    prompts += [_without_last_break(read_text(path)) for path in files or []]
    if not prompts:
        raise RequestError("no prompt: give one with -p TEXT or --prompt-file FILE, or read stdin with -p -")
    return prompts


def read_text(path: Path) -> str:
    """Returns the text of a file, or of stdin for ``-``."""
    if str(path) == STDIN:
        return _read_stdin()
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give a file with text; a model's folder goes to --model")
    with path.open("rb") as file:
        return _decode(file, str(path))


def _read_stdin() -> str:
    return _decode(sys.stdin.buffer, "stdin")


def _decode(file: BinaryIO, name: str) -> str:
    content = file.read(LONGEST + 1)
    if len(content) > LONGEST:
        raise RequestError(f"{name} is longer than {LONGEST:,} bytes: no model reads that much, so give a part of it")
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise RequestError(f"{name} is not UTF-8 at byte {error.start:,}: convert it, or give another file") from None


def _without_last_break(text: str) -> str:
    """Editors end a file with a line break, which a prompt most often does not mean."""
    return text.removesuffix("\n").removesuffix("\r")


def _checked(text: str) -> str:
    """An argument that is not UTF-8 reaches Python with lone surrogates in it."""
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise RequestError(f"the prompt of -p is not UTF-8 at character {error.start:,}: check the terminal") from None
    return text


@dataclass(frozen=True, slots=True)
class NamedText:
    """A text and what to call it."""

    name: str
    text: str


def read_named(texts: list[str] | None, files: list[Path] | None) -> list[NamedText]:
    """Returns the texts of ``-p`` and of files with their names, in this order.

    Raises RequestError when there is none, or one that is not UTF-8.
    """
    found = []
    for number, text in enumerate(texts or [], start=1):
        name = "stdin" if text == STDIN else f"-p {number}" if len(texts or []) > 1 else "-p"
        found.append(NamedText(name, _read_stdin() if text == STDIN else _checked(text)))
    found += [NamedText("stdin" if str(path) == STDIN else str(path), read_text(path)) for path in files or []]
    if not found:
        raise RequestError("no text: give files, or a text with -p TEXT; octavo score - reads stdin")
    return found
