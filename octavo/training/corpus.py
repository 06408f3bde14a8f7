"""The text of a corpus folder, read as a stream: DOMAIN.SPLIT[.NN].jsonl, plain or packed with xz, one document a line.

A line is a JSON object with a string ``text`` and, if it likes, an ``id``. Whatever is wrong with a file is said with
its name and line.
"""

import json
import lzma
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from octavo.errors import CorpusError

Split = Literal["train", "validation", "test"]

_SHARD = re.compile(r"(?P<domain>[\w-]+)\.(?P<split>train|validation|test)(\.\d+)?\.jsonl(\.xz)?")


@dataclass(frozen=True, slots=True)
class Shard:
    """One file of a corpus."""

    domain: str
    path: Path


@dataclass(frozen=True, slots=True)
class Document:
    """One text, with the name that its corpus gives it and its line in the file, from 1."""

    name: str
    text: str
    line: int


def corpus_folder(argument: str | os.PathLike[str] | None = None) -> Path:
    """The folder named by ``argument``, else by OCTAVO_CORPUS; raises CorpusError when neither names one."""
    found = argument or os.environ.get("OCTAVO_CORPUS")
    if not found:
        raise CorpusError("no corpus was named: give --corpus FOLDER, or set OCTAVO_CORPUS to the folder")
    if not Path(found).is_dir():
        raise CorpusError(f"{found} is not a folder: want one with files named DOMAIN.train.jsonl.xz or .jsonl")
    return Path(found)


def shards(folder: Path, split: Split, *, required: bool = True) -> tuple[Shard, ...]:
    """The files of ``split`` in ``folder``, by name. Raises CorpusError when there is none and it is ``required``."""
    found = []
    for path in sorted(folder.iterdir()):
        match = _SHARD.fullmatch(path.name)
        if match and match["split"] == split:
            found.append(Shard(match["domain"], path))
    if required and not found:
        raise CorpusError(f"{folder} holds no {split} text: want files named DOMAIN.{split}.jsonl.xz or .jsonl")
    return tuple(found)


def documents(path: Path) -> Iterator[Document]:
    """Reads the documents of one file, one at a time.

    Raises CorpusError, with file and line, when the file is not xz, is cut off, is not UTF-8, holds a line that is
    not a document, or holds no document at all.
    """
    line = 0
    opener = lzma.open if path.suffix == ".xz" else open
    try:
        with opener(path, "rb") as file:
            for line, raw in enumerate(file, start=1):
                yield _document(path, line, raw)
    except (lzma.LZMAError, EOFError, OSError) as error:
        reason = "is cut off" if isinstance(error, EOFError) else f"cannot be read ({error})"
        raise CorpusError(f"{path} {reason} after line {line}: fetch the file again or leave it out") from error
    if not line:
        raise CorpusError(f"{path} is empty: want one JSON document a line, or leave the file out")


def _document(path: Path, line: int, raw: bytes) -> Document:
    where = f"{path}, line {line}"
    try:
        record = json.loads(raw.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{where} is not UTF-8 (byte 0x{raw[error.start]:02x} at {error.start}): convert it or leave it out"
        ) from error
    except json.JSONDecodeError as error:
        raise CorpusError(
            f"{where} is not JSON ({error.msg} at character {error.pos}): want one object a line"
        ) from error
    text = record.get("text") if isinstance(record, dict) else None
    if not isinstance(text, str):
        raise CorpusError(f'{where} has no string "text": want a line like {{"id": "...", "text": "..."}}')
    if not text.strip():
        raise CorpusError(f"{where} has an empty text: leave the document out")
    try:
        text.encode("utf-8")
    except UnicodeEncodeError as error:
        raise CorpusError(f"{where} holds half a surrogate pair at character {error.start}: leave it out") from error
    return Document(str(record.get("id", f"line {line}")), text, line)
