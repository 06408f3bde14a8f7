"""Layers on the command line: ``0,15,31`` or ``0-31``, by the model's own numbers."""

import re

from octavo.errors import RequestError

MOST = 65536


def parse_layers(text: str | None) -> tuple[int, ...] | None:
    """The numbers that a list of numbers and ranges names, rising, each once; None for None.

    Raises RequestError for what is no such list.
    """
    if text is None:
        return None
    found: set[int] = set()
    for part in text.split(","):
        matched = re.fullmatch(r"\s*(\d{1,5})(?:\s*-\s*(\d{1,5}))?\s*", part)
        first, last = (int(matched[1]), int(matched[2] or matched[1])) if matched else (1, 0)
        if first > last or last >= MOST:
            raise RequestError(f"layers {text!r}: want numbers and ranges from 0 on, as 0,15,31 or 0-31")
        found |= set(range(first, last + 1))
    return tuple(sorted(found))
