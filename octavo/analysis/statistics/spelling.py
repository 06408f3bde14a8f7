"""Spelling: what of a token's bytes matters to a statistic: parts of words, white space, ends of lines."""

import codecs
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Bool, Int64


@runtime_checkable
class SpelledSource(Protocol):
    """A trace, of rows or of counts, that knows what its token ids spell."""

    def vocabulary(self) -> Mapping[int, bytes]:
        """The bytes of each id."""


def vocabulary_of(source: object) -> Mapping[int, bytes]:
    """The bytes of each id, none where the source does not know them."""
    return source.vocabulary() if isinstance(source, SpelledSource) else {}


def texts_of(pieces: Iterable[bytes]) -> list[str]:
    """The tokens of a text as texts that join to it.

    A character of several tokens stands with the one that completes it, and the others show nothing; bytes that are no
    UTF-8 are spelled ``\\xNN``.
    """
    decoder = codecs.getincrementaldecoder("utf-8")("backslashreplace")
    texts = [decoder.decode(piece) for piece in pieces]
    if texts:
        texts[-1] += decoder.decode(b"", final=True)
    return texts


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What of each id's spelling matters here."""

    begins_V: Bool[np.ndarray, "V"]  # with a part of a word
    ends_V: Bool[np.ndarray, "V"]  # with a part of a word
    new_word_V: Bool[np.ndarray, "V"]  # a space, then a part of a word
    blank_V: Bool[np.ndarray, "V"]  # white space, spaces or tabs among it
    line_end_V: Bool[np.ndarray, "V"]  # ends a line
    new_line_V: Bool[np.ndarray, "V"]  # blank, a line's end among it

    @classmethod
    def of(cls, vocabulary: Mapping[int, bytes]) -> "Spelling":
        """The kinds of all ids up to the greatest, those without spelling of no kind."""
        size = max(vocabulary) + 2  # one more, of no kind, for ids above them
        kinds = {name: np.zeros(size, bool) for name in cls.__slots__}
        for token, piece in vocabulary.items():
            if not piece:
                continue
            kinds["begins_V"][token] = _in_word(piece[0])
            kinds["ends_V"][token] = _in_word(piece[-1])
            kinds["new_word_V"][token] = len(piece) > 1 and piece[:1] == b" " and _in_word(piece[1])
            kinds["blank_V"][token] = not piece.strip() and bool(piece.strip(b"\r\n"))
            kinds["line_end_V"][token] = piece[-1:] == b"\n"
            kinds["new_line_V"][token] = kinds["blank_V"][token] and b"\n" in piece
        return cls(**kinds)

    def indents_T(self, id_T: Int64[np.ndarray, "T"], start_S1: Int64[np.ndarray, "S1"]) -> Bool[np.ndarray, "T"]:
        """Whether each token is indentation: blank, and after a line's end or more indentation (or the first)."""
        blank_T, line_T = self.blank_V[id_T], self.line_end_V[id_T]
        opens_T = self.new_line_V[id_T]
        opens_T[1:] |= line_T[:-1]
        opens_T[start_S1[:-1]] = True
        # A run of blanks is indentation as a whole if its first token opens a line.
        fresh_T = blank_T & ~np.append(False, blank_T[:-1])
        fresh_T |= blank_T & opens_T
        run_T = np.maximum.accumulate(np.where(fresh_T, np.arange(len(id_T)), 0))
        return np.asarray(blank_T & opens_T[run_T])


def _in_word(byte: int) -> bool:
    return byte >= 0x80 or chr(byte).isalnum() or byte == ord("_")
