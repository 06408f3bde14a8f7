"""Texts: the documents of a source, one at a time, plain or packed; whatever is wrong with one names file and line."""

import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import IO, Any, cast

from octavo.collect.sources import Source
from octavo.errors import CorpusError


@dataclass(frozen=True, slots=True, kw_only=True)
class Fields:
    """Which fields of a JSON line hold the text and, where one does, the domain."""

    text: str = "text"
    domain: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """One document: its domain, a name that no other one of it bears, where it comes from, and the text."""

    domain: str
    name: str
    source: str
    text: str


class Meter:
    """Counts the bytes of files that were read, as they lie on the disk; only ``texts_of`` writes it."""

    def __init__(self) -> None:
        self.read: dict[str, int] = {}

    @property
    def num_bytes(self) -> int:
        """Bytes of all sources so far."""
        return sum(self.read.values())


def texts_of(source: Source, fields: Fields, meter: Meter | None = None) -> Iterator[Text]:
    """Reads the documents of a source; a file without a byte is none if a folder held it, else an error.

    Raises CorpusError, with file and line, for what is cut off, not UTF-8, not JSON, or empty, and for a line without
    the fields.
    """
    line = 0
    try:
        with _opened(source) as packed, _unpacked(source, packed) as file:
            if source.is_lines:
                for line, raw in enumerate(file, start=1):
                    if meter is not None:
                        meter.read[source.name] = packed.tell()
                    yield _of_line(source, line, raw, fields)
            else:
                content = file.read()
                if meter is not None:
                    meter.read[source.name] = packed.tell()
                yield from _of_file(source, content)
    except (lzma.LZMAError, zlib.error, EOFError, OSError) as error:
        reason = "is cut off" if isinstance(error, EOFError) else f"cannot be read ({error})"
        where = f" after line {line}" if source.is_lines else ""
        raise CorpusError(f"{source.path} {reason}{where}: fetch the file again or leave it out") from error
    if source.is_lines and not line and not source.found:
        raise CorpusError(f"{source.path} is empty: want one JSON document a line, or leave the file out")


def _opened(source: Source) -> IO[bytes]:
    return source.path.open("rb") if source.content is None else io.BytesIO(source.content)


def _unpacked(source: Source, packed: IO[bytes]) -> AbstractContextManager[IO[bytes]]:
    suffix = source.path.suffix.lower()
    if suffix == ".gz":
        return cast(AbstractContextManager[IO[bytes]], gzip.GzipFile(fileobj=packed))
    return lzma.LZMAFile(packed) if suffix == ".xz" else nullcontext(packed)


def _of_file(source: Source, content: bytes) -> Iterator[Text]:
    if not content and source.found:
        return
    text = _decoded(content, str(source.path) if source.content is None else "stdin")
    yield Text(domain=source.domain, name=source.name, source=source.name, text=text)


def _of_line(source: Source, line: int, raw: bytes, fields: Fields) -> Text:
    where = f"{source.path}, line {line}"
    try:
        record = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CorpusError(f"{where} is not UTF-8 at byte {error.start}: convert it or leave it out") from error
    except (json.JSONDecodeError, RecursionError) as error:
        reason = f"{error.msg} at character {error.pos}" if isinstance(error, json.JSONDecodeError) else "too deep"
        raise CorpusError(f"{where} is not JSON ({reason}): want one object a line") from error
    text = _field(record, fields.text, where, "--text-field")
    domain = source.domain if fields.domain is None else _field(record, fields.domain, where, "--domain-field")
    for value in (text, domain):
        if not value.strip():
            raise CorpusError(f"{where} is an empty document, or has an empty domain: leave it out")
        _expect_unicode(value, where)
    name = f"{source.name}:{line}"
    known = record.get("id", "")
    return Text(domain=domain, name=name, source=known if isinstance(known, str) else "", text=text)


def _field(record: Any, name: str, where: str, flag: str) -> str:
    value = record.get(name) if isinstance(record, dict) else None
    if isinstance(value, str):
        return value
    held = ", ".join(sorted(record)[:8]) if isinstance(record, dict) else f"a JSON {type(record).__name__}"
    raise CorpusError(f"{where} has no string {name!r} (it holds {held:.80}): name the field with {flag}")


def _decoded(content: bytes, where: str) -> str:
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        raise CorpusError(f"{where} is not UTF-8 at byte {error.start}: convert it or leave it out") from error
    if not text.strip():
        raise CorpusError(f"{where} is an empty document: leave it out")
    return text


def _expect_unicode(text: str, where: str) -> None:
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CorpusError(f"{where} holds half a surrogate pair at character {error.start}: leave it out") from error
