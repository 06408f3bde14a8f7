"""The tokens of a tokenizer as a value: what each id spells, which ids are control tokens, and how a text begins."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from octavo.errors import TokenizerError

SPACE_MARK = "▁"
MAX_ID = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Vocabulary:
    """V tokens.

    ``tokens[id]`` is the token as the tokenizer's file spells it and ``pieces[id]`` the UTF-8 bytes that it stands for
    in a text; both are empty where an id has no token. ``control`` gives the id of each control token: it shapes a
    conversation and never comes from the text of a user. ``leading_space`` says that encoding puts a space before a
    text, which decoding takes away again. ``byte_pieces`` says that bytes are spelled one a token, so that bytes that
    are not UTF-8 are shown one by one, as sentencepiece does.
    """

    tokens: tuple[str, ...]
    pieces: tuple[bytes, ...]
    control: Mapping[str, int]
    control_ids: frozenset[int]
    bos_id: int | None
    eos_id: int | None
    unk_id: int | None
    leading_space: bool
    byte_pieces: bool

    def with_added(self, added: Mapping[str, int], special: Mapping[str, str]) -> "Vocabulary":
        """Gives this vocabulary with control tokens ``added`` to it, and with the beginning and end that ``special``
        names. Raises TokenizerError if they contradict it."""
        known = {token: index for index, token in enumerate(self.tokens)}
        fresh = {token: index for token, index in added.items() if known.get(token) != index}
        size = max(len(self.tokens), *(index + 1 for index in fresh.values())) if fresh else len(self.tokens)
        tokens = [*self.tokens, *[""] * (size - len(self.tokens))]
        pieces = [*self.pieces, *[b""] * (size - len(self.tokens))]
        for token, index in fresh.items():
            if token in known or tokens[index]:
                raise TokenizerError(
                    f"an added token {token!r} with id {index} was found, an id and a spelling that are free were "
                    "wanted; fetch added_tokens.json and the tokenizer from the same place"
                )
            tokens[index], pieces[index] = token, token.encode()
        control = {**self.control, **fresh}
        return replace(
            self,
            tokens=tuple(tokens),
            pieces=tuple(pieces),
            control=control,
            control_ids=frozenset(control.values()),
            bos_id=control.get(special.get("bos_token", ""), self.bos_id),
            eos_id=control.get(special.get("eos_token", ""), self.eos_id),
        )


def _byte_alphabet() -> dict[int, str]:
    printable = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    rest = [byte for byte in range(256) if byte not in printable]
    return {byte: chr(byte) for byte in printable} | {byte: chr(256 + index) for index, byte in enumerate(rest)}


BYTE_TO_CHARACTER = _byte_alphabet()
"""The character that byte-level BPEs write each byte as: itself where it prints in Latin-1, else one from U+0100 on."""
