"""Words: a report's strings, each held once, and the spelling of token ids as text that a page can show.

A token is bytes, and a character may need several tokens: it then stands with the token that completes it, and those
before it show nothing. Bytes that are no text are spelled ``\\xNN``. So the texts of a document's tokens, joined, are
the document.
"""

import codecs
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Integer

LONGEST = 160  # characters of one token that are shown
NOWHERE = 2**32 - 1  # a place in the strings that is none


@dataclass(slots=True)
class Strings:
    """Texts and their places; the same text has one place."""

    texts: list[str] = field(default_factory=list)
    places: dict[str, int] = field(default_factory=dict)

    def place(self, text: str) -> int:
        """The place of a text, cut where it is very long."""
        shown = text if len(text) <= LONGEST else text[: LONGEST - 1] + "…"
        if shown not in self.places:
            self.places[shown] = len(self.texts)
            self.texts.append(shown)
        return self.places[shown]

    def all(self, texts: Iterable[str]) -> Integer[np.ndarray, "X"]:
        """The places of several texts."""
        return np.array([self.place(each) for each in texts], np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What token ids stand for: ``pieces`` gives the UTF-8 bytes of each id, empty where the trace does not know."""

    pieces: Mapping[int, bytes]

    def piece(self, token: int) -> bytes:
        """The bytes of a token; its number in brackets where nobody knows them."""
        return self.pieces.get(token) or f"[{token}]".encode()

    def alone(self, token: int) -> str:
        """One token as text."""
        return self.piece(token).decode("utf-8", "backslashreplace")

    def texts(self, token_T: Sequence[int]) -> list[str]:
        """The tokens of a document, or of a part of it, as texts that join to it."""
        decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
        found = [decoder.decode(self.piece(token)) for token in token_T]
        if found:
            found[-1] += decoder.decode(b"", final=True)
        return found

    def around(self, token_T: Sequence[int]) -> str:
        """A few neighbouring tokens as one text; what was cut at either end is left out."""
        return b"".join(map(self.piece, token_T)).decode("utf-8", "ignore")
