"""Reads a SentencePiece BPE model (tokenizer.model) into an encoder and a vocabulary, with the ids of sentencepiece.

The file is a protocol buffer: field 1, repeated, is a piece (1 spelling, 2 score, 3 type); field 2 is how it was
trained (3 model type, 35 byte fallback, 40 to 42 the ids of unknown, begin and end); field 3 the normaliser (2 compiled
rules, 3 a space before the text, 4 extra spaces removed, 5 spaces marked).
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tokenizers import AddedToken, Tokenizer, models

from octavo.errors import TokenizerError
from octavo.tokenizer.encoder import Encoder
from octavo.tokenizer.vocabulary import SPACE_MARK, Vocabulary

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)
_BPE = 2
_MAX_PIECES = 4_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """One entry of the vocabulary: its spelling, the priority of the merge that makes it, and its type."""

    spelling: str
    score: float
    type: int


def read_sentencepiece(path: Path) -> tuple[Encoder, Vocabulary]:
    """Reads the model at ``path``. Raises TokenizerError if it is damaged or not a BPE that we can honour."""
    try:
        pieces, trainer, normalizer = _parse(path.read_bytes())
    except (ValueError, IndexError, struct.error, OverflowError) as error:
        raise TokenizerError(
            f"{path}: {error} was found, a SentencePiece model was wanted; fetch the file again"
        ) from None
    _check(path, pieces, trainer, normalizer)
    return _encoder(pieces), _vocabulary(pieces, trainer)


def _parse(blob: bytes) -> tuple[list[Piece], dict[int, int | bytes], dict[int, int | bytes]]:
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(blob):
        if number == 1:
            pieces.append(_piece(_submessage(value)))
        elif number == 2:
            trainer = dict(_fields(_submessage(value)))
        elif number == 3:
            normalizer = dict(_fields(_submessage(value)))
    return pieces, trainer, normalizer


def _piece(blob: bytes) -> Piece:
    fields = dict(_fields(blob))
    score, type_ = fields.get(2, b"\0\0\0\0"), fields.get(3, NORMAL)
    if not isinstance(type_, int):
        raise ValueError("a piece whose type is not a number")
    return Piece(
        spelling=_submessage(fields.get(1, b"")).decode(),
        score=float(struct.unpack("<f", _submessage(score))[0]),
        type=type_,
    )


def _submessage(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text belongs")
    return value


def _fields(blob: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Gives the fields of a protocol-buffer message: numbers as int, the rest as bytes."""
    at = 0
    while at < len(blob):
        key, at = _varint(blob, at)
        number, wire = key >> 3, key & 7
        if wire == 0:
            value, at = _varint(blob, at)
            yield number, value
            continue
        if wire == 2:
            size, at = _varint(blob, at)
        elif wire in (1, 5):
            size = 8 if wire == 1 else 4
        else:
            raise ValueError(f"a field of unknown kind {wire} at byte {at}")
        if at + size > len(blob):
            raise ValueError(f"a field of {size} bytes that ends {at + size - len(blob)} bytes after its message")
        yield number, blob[at : at + size]
        at += size


def _varint(blob: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(blob):
            raise ValueError("the end of the file inside a number")
        byte = blob[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError(f"a number longer than 64 bits at byte {at}")


def _check(
    path: Path, pieces: list[Piece], trainer: dict[int, int | bytes], normalizer: dict[int, int | bytes]
) -> None:
    """Raises TokenizerError unless the model is a byte-fallback BPE that leaves text as it is."""

    def refuse(found: str, wanted: str) -> TokenizerError:
        return TokenizerError(f"{path}: {found} was found, {wanted} was wanted; use a Mistral or Mixtral tokenizer")

    kind = trainer.get(3, 1)
    if kind != _BPE:
        name = {1: "a unigram model", 3: "a word model", 4: "a character model"}.get(int(kind), f"model type {kind!r}")
        raise refuse(name, "a BPE model")
    if not 0 < len(pieces) <= _MAX_PIECES:
        raise refuse(f"a vocabulary of {len(pieces)} pieces", f"1 to {_MAX_PIECES}")
    if len({piece.spelling for piece in pieces}) < len(pieces):
        raise refuse("a vocabulary with a piece twice", "each piece once")
    if {piece.spelling for piece in pieces if piece.type == BYTE} != {f"<0x{byte:02X}>" for byte in range(256)}:
        raise refuse("a vocabulary without all 256 byte pieces", "byte fallback")
    if normalizer.get(2, b"") or not normalizer.get(3, 1) or normalizer.get(4, 1) or not normalizer.get(5, 1):
        raise refuse("a normaliser that changes the text", "none but the space before it")
    for field, spelling in ((40, "unknown"), (41, "begin"), (42, "end")):
        token_id = _reserved_id(trainer, field)
        if token_id is not None and token_id >= len(pieces):
            raise refuse(f"id {token_id} for the {spelling} token", f"less than {len(pieces)}")


def _reserved_id(trainer: dict[int, int | bytes], field: int) -> int | None:
    """Gives the id of the unknown (40), begin (41) or end (42) token, None where the model has none."""
    value = trainer.get(field, field - 40)
    if not isinstance(value, int) or value >= 1 << 63:  # -1 says that there is none
        return None
    return value


def _encoder(pieces: list[Piece]) -> Encoder:
    ids = {piece.spelling: index for index, piece in enumerate(pieces)}
    known = {piece.spelling for piece in pieces if piece.type in (NORMAL, UNUSED)}
    merges: list[tuple[float, int, str, str]] = []
    for piece in pieces:
        if piece.type != NORMAL:
            continue
        for cut in range(1, len(piece.spelling)):
            left, right = piece.spelling[:cut], piece.spelling[cut:]
            if left in known and right in known:
                # sentencepiece merges the leftmost of equals. The runs of spaces are equals: they grow from the left,
                # so the longer left part goes first.
                merges.append((-piece.score, -len(left), left, right))
    merges.sort(key=lambda merge: merge[:2])
    unknown = next((piece.spelling for piece in pieces if piece.type == UNKNOWN), None)
    bpe = Tokenizer(
        models.BPE(ids, [merge[2:] for merge in merges], byte_fallback=True, unk_token=unknown, fuse_unk=True)
    )
    bpe.add_tokens([AddedToken(piece.spelling, normalized=False) for piece in pieces if piece.type == USER_DEFINED])
    return Encoder(bpe=bpe, marks_spaces=True)


def _vocabulary(pieces: list[Piece], trainer: dict[int, int | bytes]) -> Vocabulary:
    control = {piece.spelling: index for index, piece in enumerate(pieces) if piece.type in (CONTROL, UNKNOWN)}
    return Vocabulary(
        tokens=tuple(piece.spelling for piece in pieces),
        pieces=tuple(
            bytes([int(piece.spelling[3:5], 16)])
            if piece.type == BYTE
            else piece.spelling.replace(SPACE_MARK, " ").encode()
            for piece in pieces
        ),
        control=control,
        control_ids=frozenset(control.values()),
        bos_id=_reserved_id(trainer, 41),
        eos_id=_reserved_id(trainer, 42),
        unk_id=_reserved_id(trainer, 40),
        leading_space=True,
        byte_pieces=True,
    )
