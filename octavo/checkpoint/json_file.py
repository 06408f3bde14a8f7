"""JSON files of a stranger's model folder, read strictly: what two readers could read differently is an error."""

import json
import stat
from collections.abc import Mapping
from pathlib import Path

from octavo.errors import CheckpointError, OctavoError

MAX_CONFIG_BYTES = 4 << 20
MAX_INDEX_BYTES = 256 << 20


def read_object(
    path: Path, *, max_bytes: int = MAX_CONFIG_BYTES, error: type[OctavoError] = CheckpointError
) -> dict[str, object]:
    """The object that the JSON file at ``path`` holds.

    Raises ``error``, naming the file, when it cannot be read, is longer than ``max_bytes``, is not UTF-8, or holds
    anything but one object of standard JSON: NaN, infinities, numbers past float64, repeated names and endless
    nesting are refused.
    """
    try:
        # A pipe or a device in the place of a file could be read for ever.
        regular = stat.S_ISREG(path.stat().st_mode)
        text = _first_bytes(path, max_bytes + 1) if regular else b""
    except (OSError, ValueError) as reason:
        raise error(f"{path}: cannot be read ({plain(reason)}): check the path and its permissions") from reason
    if not regular:
        raise error(f"{path}: not a regular file: fetch the folder again")
    if len(text) > max_bytes:
        raise error(f"{path}: longer than {max_bytes:,} bytes, which no such file is: check that it is the right one")
    return parse_object(text, str(path), error=error)


def parse_object(text: bytes, where: str, *, error: type[OctavoError] = CheckpointError) -> dict[str, object]:
    """As read_object, for bytes that are already here; ``where`` names them in errors."""
    try:
        value = json.loads(
            text.decode("utf-8"), object_pairs_hook=_unique, parse_constant=_no_constant, parse_float=_finite
        )
    except (ValueError, RecursionError) as reason:
        raise error(f"{where}: not valid JSON ({plain(reason)}): fetch or write the file anew") from reason
    if not isinstance(value, dict):
        raise error(f"{where}: holds a {type(value).__name__}, want an object of names and values")
    return value


def dump(value: Mapping[str, object]) -> bytes:
    """The bytes of a JSON file that people read: indented, with a last newline."""
    return (json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def plain(reason: BaseException) -> str:
    """What an exception says, in one line of at most 200 characters."""
    text = " ".join(str(reason).split()) or type(reason).__name__
    return text if len(text) <= 200 else text[:197] + "..."


def _first_bytes(path: Path, most: int) -> bytes:
    with path.open("rb") as file:
        return file.read(most)


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found: dict[str, object] = {}
    for name, value in pairs:
        if name in found:
            raise ValueError(f"the name {name[:80]!r} appears twice")
        found[name] = value
    return found


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is not a JSON number")


def _finite(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise ValueError(f"the number {text[:40]} is past what a float64 holds")
    return value
