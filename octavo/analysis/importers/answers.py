"""Answers of inference servers as JSON: one object, a list of them, or one on each line."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from octavo.errors import TraceError

Json = Mapping[str, Any]


def read_answers(path: Path) -> Iterator[tuple[str, Json]]:
    """Yields each object of a file with a name that says where it stands; raises TraceError for a file that is none."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise TraceError(f"{path} cannot be read ({error}): want JSON or JSON Lines in UTF-8") from None
    try:
        whole = json.loads(text)
    except (ValueError, RecursionError):
        yield from _lines(path, text)
        return
    for place, each in enumerate(whole if isinstance(whole, list) else [whole]):
        yield _named(path, f"answer {place}", each)


def _lines(path: Path, text: str) -> Iterator[tuple[str, Json]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                read = json.loads(line)
            except (ValueError, RecursionError) as error:
                raise TraceError(f"{path}, line {number}: not JSON ({error}): want one answer on each line") from None
            yield _named(path, f"line {number}", read)


def _named(path: Path, place: str, read: object) -> tuple[str, Json]:
    if not isinstance(read, dict):
        raise TraceError(f"{path}, {place}: a {type(read).__name__}: want the object that the server answered with")
    return f"{path}, {place}", read


def ids_of(value: object, where: str) -> tuple[int, ...] | None:
    """Token ids; None where there are none."""
    if value is None:
        return None
    if not isinstance(value, list | tuple) or not all(isinstance(each, int) for each in value):
        raise TraceError(f"{where}: token ids are {str(value)[:60]}: want a list of whole numbers")
    return tuple(value)


def count_of(value: object, where: str) -> int | None:
    """A number of tokens; None where there is none."""
    if value is None:
        return None
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise TraceError(f"{where} is {value!r}: want a number of tokens")
    return value


def choices_of(answer: Json, where: str) -> list[Json]:
    """The choices of an OpenAI-style answer."""
    choices = answer.get("choices")
    if not isinstance(choices, list) or not choices or not all(isinstance(each, dict) for each in choices):
        raise TraceError(f"{where} has no choices: want the whole answer of the server, not its text")
    return choices
