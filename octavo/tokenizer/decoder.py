"""From ids to text: all at once, or one id at a time as they are generated, at a cost that does not grow.

A character may take several tokens. It appears with the token that completes it, and U+FFFD stands only for bytes that
can no longer become a character. Both ways give the same text for every sequence of ids.
"""

import codecs
from collections.abc import Iterable, Iterator

from octavo.errors import TokenizerError
from octavo.tokenizer.vocabulary import SPACE_MARK, Vocabulary

_EACH_BYTE = "octavo.each_byte"


def _replace_each_byte(error: UnicodeError) -> tuple[str, int]:
    """Puts one U+FFFD for every byte that is not UTF-8."""
    assert isinstance(error, UnicodeDecodeError)
    return "\ufffd" * (error.end - error.start), error.end


codecs.register_error(_EACH_BYTE, _replace_each_byte)


class StreamDecoder:
    """Turns ids into text as they come.

    Its state is the bytes of at most one unfinished character, and whether any text has begun. ``starts_text=False``
    is for ids that continue a text: the space before the first word is then kept.
    """

    __slots__ = ("_at_start", "_bytes_to_text", "_skip", "_vocabulary")

    def __init__(self, vocabulary: Vocabulary, *, skip_special_tokens: bool = True, starts_text: bool = True) -> None:
        self._vocabulary = vocabulary
        self._skip: frozenset[int] = vocabulary.control_ids if skip_special_tokens else frozenset()
        self._at_start = starts_text and vocabulary.leading_space
        errors = _EACH_BYTE if vocabulary.byte_pieces else "replace"
        self._bytes_to_text = codecs.getincrementaldecoder("utf-8")(errors)

    def push(self, token_id: int) -> str:
        """Gives the text that ``token_id`` completes; "" while a character is unfinished, and for an id without a
        token. Raises TokenizerError if the id is negative."""
        if token_id in self._skip or token_id >= len(self._vocabulary.pieces):
            return ""
        return self._bytes_to_text.decode(self._piece(token_id))

    def flush(self) -> str:
        """Gives what is left at the end: U+FFFD for the bytes of a character that was never finished."""
        return self._bytes_to_text.decode(b"", final=True)

    def _piece(self, token_id: int) -> bytes:
        if token_id < 0:
            raise TokenizerError(f"token id {token_id} was found, 0 or more was wanted; check where the ids come from")
        piece = self._vocabulary.pieces[token_id]
        if self._at_start and piece:
            self._at_start = False
            if self._vocabulary.tokens[token_id].startswith(SPACE_MARK):
                return piece[1:]
        return piece


def decode(
    vocabulary: Vocabulary, ids: Iterable[int], *, skip_special_tokens: bool = True, starts_text: bool = True
) -> str:
    """Gives the text of ``ids``; the parameters are those of :class:`StreamDecoder`."""
    stream = StreamDecoder(vocabulary, skip_special_tokens=skip_special_tokens, starts_text=starts_text)
    return "".join(map(stream.push, ids)) + stream.flush()


def texts_by_token(vocabulary: Vocabulary, ids: Iterable[int], *, starts_text: bool = True) -> Iterator[str]:
    """Gives the text that each of ``ids`` completes, control tokens spelled out; what is left unfinished at the end is
    given with the last, so that the texts joined are the whole text."""
    stream = StreamDecoder(vocabulary, skip_special_tokens=False, starts_text=starts_text)
    previous: str | None = None
    for token_id in ids:
        if previous is not None:
            yield previous
        previous = stream.push(token_id)
    if previous is not None:
        yield previous + stream.flush()
