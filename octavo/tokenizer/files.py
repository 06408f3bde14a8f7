"""The files of a tokenizer: which a folder has, and how one of JSON is read."""

import json
import os
import re
from pathlib import Path
from typing import Any

from octavo.errors import TokenizerError

_SENTENCEPIECE = re.compile(r".*\.model(?:\.(v\d+)(?:m\d+)?)?")
_TEKKEN = re.compile(r"tekken(_\d+)?\.json")
WANTED = "tokenizer.json, tekken.json, or tokenizer.model (.v1, .v2, .v3, .v7)"


def has_tokenizer_files(folder: str | os.PathLike[str]) -> bool:
    """Says whether ``folder`` has a file to read a tokenizer from; without one, a model takes token ids only."""
    return bool(hugging_face_file(Path(folder)) or mistral_file(Path(folder)))


def hugging_face_file(folder: Path) -> Path | None:
    """Gives the ``tokenizer.json`` of ``folder``, if it has one."""
    path = folder / "tokenizer.json"
    return path if path.is_file() else None


def mistral_file(folder: Path) -> Path | None:
    """Gives the tokenizer of ``folder`` in Mistral's own form: tekken, else the SentencePiece model of the highest
    version."""
    if not folder.is_dir():
        return None
    names = sorted(path.name for path in folder.iterdir() if path.is_file())
    for name in reversed(names):
        if is_tekken(name):
            return folder / name
    models = [name for name in names if _SENTENCEPIECE.fullmatch(name)]
    return folder / max(models, key=lambda name: (_number(name), name)) if models else None


def is_tekken(name: str) -> bool:
    """Says whether a file of this name is a tekken tokenizer."""
    return _TEKKEN.fullmatch(name) is not None


def is_sentencepiece(name: str) -> bool:
    """Says whether a file of this name is a SentencePiece model."""
    return _SENTENCEPIECE.fullmatch(name) is not None


def sentencepiece_version(name: str) -> str | None:
    """Gives the chat version that a SentencePiece file's name states, such as "v3", or None."""
    match = _SENTENCEPIECE.fullmatch(name)
    return match[1] if match else None


def _number(name: str) -> int:
    version = sentencepiece_version(name)
    return int(version[1:]) if version else 0


def read_json_object(path: Path, wanted: str) -> dict[str, Any]:
    """Reads the JSON object at ``path``. Raises TokenizerError if there is none; ``wanted`` says what it should be."""
    try:
        content = json.loads(path.read_bytes())
    except OSError as error:
        raise TokenizerError(f"{path}: {error.strerror} was found, {wanted} was wanted; check the path") from None
    except (ValueError, RecursionError) as error:  # not UTF-8, or not JSON
        found = str(error).splitlines()[0] if not isinstance(error, RecursionError) else "JSON nested too deep"
        raise TokenizerError(f"{path}: {found} was found, {wanted} was wanted; fetch the file again") from None
    if not isinstance(content, dict):
        raise TokenizerError(
            f"{path}: a JSON {type(content).__name__} was found, {wanted} was wanted; fetch the file again"
        )
    return content
