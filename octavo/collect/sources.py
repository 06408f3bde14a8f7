"""Sources: the files behind the paths of a command line, each with its domain and with the name its documents bear.

A file named by itself is a domain of its own: ``french.test.jsonl.xz`` is ``french``, ``notes.txt`` is ``notes``. In a
folder each subfolder is a domain, however deep its files lie, and each file beside them one of its own.
"""

import hashlib
import re
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from octavo.errors import RequestError

STDIN = "-"
_PACKED = (".xz", ".gz")
_SPLIT = re.compile(r"(?P<domain>.+?)\.(train|validation|test)(\.\d+)?\.(jsonl|ndjson)", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One file: where it lies, the domain of its documents, and what they are called.

    ``found`` says that a folder held it, rather than that somebody named it. ``content`` is what stdin held.
    """

    path: Path
    domain: str
    name: str
    found: bool = False
    content: bytes | None = None

    @property
    def is_lines(self) -> bool:
        """Whether it holds JSON Lines, one document each, rather than one text."""
        return plain_name(self.path).lower().endswith((".jsonl", ".ndjson"))

    @property
    def num_bytes(self) -> int:
        """Its size on the disk."""
        return len(self.content) if self.content is not None else self.path.stat().st_size

    def sha256(self) -> str:
        """The SHA-256 of its bytes, as they lie on the disk."""
        if self.content is not None:
            return hashlib.sha256(self.content).hexdigest()
        with self.path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()


def find_sources(
    paths: Sequence[Path], *, domain: str | None = None, stdin: BinaryIO | None = None, alone: bool = True
) -> list[Source]:
    """The files of ``paths`` in their order, those of a folder by name; hidden ones in folders are left out.

    ``domain`` is that of all documents, in place of the rule; ``alone`` says that no other process wants stdin. Raises
    RequestError for a path that is not there, a folder without files, a file that is named twice, and stdin for several
    processes.
    """
    if not paths:
        raise RequestError("no text: name files or folders, or read stdin with -")
    found: list[Source] = []
    for path in paths:
        if str(path) == STDIN:
            if not alone:
                raise RequestError("stdin goes to one process only: give several of them files")
            content = (stdin or sys.stdin.buffer).read()
            found.append(Source(path=path, domain=domain or "stdin", name="stdin", content=content))
        elif path.is_dir():
            found += _files_of(path, domain)
        elif path.exists():
            found.append(Source(path=path, domain=domain or domain_of(path), name=path.name))
        else:
            raise RequestError(f"{path} is not there: check the path")
    _expect_once(found)
    return _told_apart(found)


def domain_of(path: Path) -> str:
    """The domain that a file's name says: without its split and its endings."""
    name = plain_name(path)
    match = _SPLIT.fullmatch(name)
    return match["domain"] if match else Path(name).stem


def plain_name(path: Path) -> str:
    """A file's name without the ending of its packing."""
    return path.stem if path.suffix.lower() in _PACKED else path.name


def _files_of(folder: Path, domain: str | None) -> Iterator[Source]:
    held = sorted(path for path in folder.rglob("*") if path.is_file() and not _is_hidden(path.relative_to(folder)))
    if not held:
        raise RequestError(f"{folder} holds no file: want texts or JSON Lines in it or in its subfolders")
    home = folder.resolve().name
    for path in held:
        inside = path.relative_to(folder)
        own = inside.parts[0] if len(inside.parts) > 1 else domain_of(path)
        yield Source(path=path, domain=domain or own, name=f"{home}/{inside.as_posix()}", found=True)


def _is_hidden(path: Path) -> bool:
    return any(part.startswith(".") or part == "__pycache__" for part in path.parts)


def _expect_once(sources: Sequence[Source]) -> None:
    counts = Counter(source.path if source.content is not None else source.path.resolve() for source in sources)
    path, count = counts.most_common(1)[0]
    if count > 1:
        raise RequestError(f"{path} is named {count} times, or lies in a folder that is named too: name it once")


def _told_apart(sources: list[Source]) -> list[Source]:
    """Names files by their whole path where the short names of two are the same."""
    counts = Counter(source.name for source in sources)
    return [
        source
        if counts[source.name] == 1
        else Source(
            path=source.path, domain=source.domain, name=str(source.path), found=source.found, content=source.content
        )
        for source in sources
    ]
