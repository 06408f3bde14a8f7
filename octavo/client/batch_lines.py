"""Files of requests in OpenAI's batch format: each line a request, or what is wrong with it.

    {"custom_id": "a", "method": "POST", "url": "/v1/chat/completions", "body": {"model": ..., "messages": [...]}}

A line's ``key`` is its number and a digest of its bytes: by it an answer is known to be that line's, whatever ids the
line has or lacks. Blank lines are none.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from octavo.errors import RequestError

PATHS = ("/v1/chat/completions", "/v1/completions")
LONGEST = 16 * 2**20
KNOWN = frozenset({"custom_id", "method", "url", "body"})


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLine:
    """One line: a request to ``path``, or ``trouble``, which says why it is none; ``code`` says so to programs."""

    number: int
    key: str
    custom_id: str | None = None
    path: str = ""
    body: dict[str, Any] | None = None
    code: str = ""
    trouble: str = ""


def read_lines(path: Path) -> Iterator[BatchLine]:
    """The lines of a file in order, one at a time; raises RequestError where the file as a whole is none."""
    if path.is_dir():
        raise RequestError(f"{path} is a folder: give a file of requests, one JSON object a line")
    seen: dict[str, int] = {}
    with path.open("rb") as file:
        for number, (raw, length) in enumerate(_raw_lines(file), start=1):
            if not raw.strip():
                continue
            key = f"batch_req_{number}_{hashlib.sha256(raw.strip()).hexdigest()[:12]}"
            if length > LONGEST:
                trouble = f"line {number} has {length:,} bytes: want at most {LONGEST:,}"
                yield BatchLine(number=number, key=key, code="line_too_long", trouble=trouble)
                continue
            line = parse_line(raw, number=number, key=key)
            first = seen.setdefault(line.custom_id, number) if line.custom_id is not None else number
            if first != number and not line.trouble:
                trouble = f"custom_id {line.custom_id!r:.80} is that of line {first} as well: give each its own"
                line = BatchLine(
                    number=number, key=key, custom_id=line.custom_id, code="duplicate_custom_id", trouble=trouble
                )
            yield line


def _raw_lines(file: BinaryIO) -> Iterator[tuple[bytes, int]]:
    """Each line's beginning, as far as it is looked at, and its whole length."""
    while raw := file.readline(LONGEST + 1):
        length = len(raw)
        more = raw
        while not more.endswith(b"\n") and (more := file.readline(LONGEST)):
            length += len(more)
        yield raw, length


def parse_line(raw: bytes, *, number: int, key: str) -> BatchLine:
    """One line as a request, or as what is wrong with it."""
    custom_id: str | None = None
    try:
        line = json.loads(raw, parse_constant=_refuse_constant)
        if not isinstance(line, dict):
            raise _BadLineError(
                "invalid_line", f"line {number} is no JSON object: want custom_id, method, url and body"
            )
        if isinstance(line.get("custom_id"), str):
            custom_id = line["custom_id"]
        _check(line, number)
    except _BadLineError as error:
        return BatchLine(number=number, key=key, custom_id=custom_id, code=error.code, trouble=error.message)
    except (ValueError, RecursionError) as error:
        trouble = f"line {number} is no JSON ({' '.join(str(error).split()):.120}): want one object a line"
        return BatchLine(number=number, key=key, code="invalid_json_line", trouble=trouble)
    return BatchLine(number=number, key=key, custom_id=custom_id, path=line["url"], body=line["body"])


class _BadLineError(Exception):
    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


def _check(line: dict[str, Any], number: int) -> None:
    if not isinstance(line.get("custom_id"), str):
        raise _BadLineError("missing_custom_id", f"line {number} has no custom_id: want a string of its own")
    if line.get("method", "POST") != "POST":
        raise _BadLineError("invalid_method", f"line {number}: method is {line['method']!r:.80}: want POST")
    # Only ever a path of the one server: an address in a line must not make us ask another.
    if line.get("url") not in PATHS:
        raise _BadLineError("invalid_url", f"line {number}: url is {line.get('url')!r:.80}: want {' or '.join(PATHS)}")
    unknown = sorted(set(line) - KNOWN)
    if unknown:
        raise _BadLineError("invalid_line", f"line {number} has {unknown[0]!r:.80}: want {', '.join(sorted(KNOWN))}")
    body = line.get("body")
    if not isinstance(body, dict):
        raise _BadLineError("invalid_body", f"line {number}: body is no JSON object: want the request's own fields")
    if body.get("stream"):
        raise _BadLineError("invalid_body", f"line {number}: stream is set: an answer in a file is whole, leave it out")


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")
