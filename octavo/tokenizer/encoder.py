"""From text to ids: a BPE that knows no control token, so that no text can become one."""

from dataclasses import dataclass

from tokenizers import Tokenizer

from octavo.errors import RequestError, TokenizerError
from octavo.tokenizer.vocabulary import SPACE_MARK

LONG = 512
"""Characters from which on a text takes its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """Encodes plain text.

    ``bpe`` holds only the tokens that text may become. ``marks_spaces`` is SentencePiece's way: a space is put before
    the text, and every space is written as ▁. ``continuing``, where there is one, encodes the stretches of a
    conversation after the first.
    """

    bpe: Tokenizer
    marks_spaces: bool = False
    continuing: Tokenizer | None = None

    def encode(self, text: str, *, first: bool = True) -> list[int]:
        """Gives the ids of ``text``, none of them a control token. Raises RequestError if the text is not Unicode,
        TokenizerError if the tokenizer has no token for it."""
        check_unicode(text)
        if self.marks_spaces and text:
            text = SPACE_MARK + text.replace(" ", SPACE_MARK)
        bpe = self.bpe if first or self.continuing is None else self.continuing
        try:
            ids: list[int]
            if len(text) > LONG:
                # Only a batch, be it of one, is encoded without keeping all other threads waiting.
                ids = bpe.encode_batch_fast([text], add_special_tokens=False)[0].ids
            else:
                ids = bpe.encode(text, add_special_tokens=False).ids
        except Exception as error:  # the library raises a bare Exception for a character that it has no token for
            raise TokenizerError(
                f"{' '.join(str(error).split())[:200]} was found while encoding, a tokenizer that knows every "
                "character was wanted; check tokenizer.json"
            ) from None
        return ids


def check_unicode(text: str) -> None:
    """Raises RequestError if ``text`` has a surrogate without its pair, which no UTF-8 can hold."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RequestError(
            f"the text has a lone surrogate U+{ord(text[error.start]):04X} at character {error.start}, Unicode text "
            "was wanted; decode it with errors='replace' before sending it"
        ) from None
