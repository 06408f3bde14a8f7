"""Reads a tekken.json, Mistral's byte-level BPE, into an encoder and a vocabulary, with the ids of mistral-common.

The control tokens come first; the tokens of text follow in the order of their rank. A merge may join any two tokens
whose bytes together are a token, the lowest rank first.
"""

import base64
import binascii
from pathlib import Path
from typing import Any

from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from octavo.errors import TokenizerError
from octavo.tokenizer.encoder import Encoder
from octavo.tokenizer.files import read_json_object
from octavo.tokenizer.vocabulary import BYTE_TO_CHARACTER, Vocabulary

VERSIONS = ("v3", "v7")

# What a file without a list of its own means, in the order of the ids; the rest up to its number are fillers.
_CONTROL = (
    *("<unk>", "<s>", "</s>", "[INST]", "[/INST]", "[AVAILABLE_TOOLS]", "[/AVAILABLE_TOOLS]", "[TOOL_RESULTS]"),
    *("[/TOOL_RESULTS]", "[TOOL_CALLS]", "[IMG]", "<pad>", "[IMG_BREAK]", "[IMG_END]", "[PREFIX]", "[MIDDLE]"),
    *("[SUFFIX]", "[SYSTEM_PROMPT]", "[/SYSTEM_PROMPT]", "[TOOL_CONTENT]"),
)


def read_tekken(path: Path) -> tuple[Encoder, Vocabulary, str]:
    """Reads the tokenizer at ``path``, and the version of its chat format. Raises TokenizerError if it is damaged."""
    content = read_json_object(path, "a tekken tokenizer")
    try:
        config = content["config"]
        version, pattern = config["version"], config["pattern"]
        num_control = _count(config["default_num_special_tokens"])
        num_text = _count(config["default_vocab_size"]) - num_control
        entries = content["vocab"][:num_text]
        pieces = [_bytes_of(entry, rank) for rank, entry in enumerate(entries)]
        control = _control_tokens(content.get("special_tokens"), num_control)
    except (KeyError, TypeError, ValueError, binascii.Error) as error:
        raise TokenizerError(
            f"{path}: {type(error).__name__} {error} was found, a tekken tokenizer was wanted; fetch the file again"
        ) from None
    if version not in VERSIONS:
        raise TokenizerError(
            f"{path}: tekken version {version!r} was found, {' or '.join(VERSIONS)} was wanted; use a folder with "
            "tokenizer.json"
        )
    if len(pieces) < num_text or num_text < 256 or len(set(pieces)) < len(pieces):
        raise TokenizerError(
            f"{path}: {len(set(pieces))} different tokens were found, {num_text} were wanted; fetch the file again"
        )
    return Encoder(bpe=_bpe(path, pieces, num_control, pattern)), _vocabulary(pieces, control), version


def _count(value: object) -> int:
    if not isinstance(value, int) or not 0 <= value <= 10_000_000:
        raise ValueError(f"count {value!r}")
    return value


def _bytes_of(entry: dict[str, Any], rank: int) -> bytes:
    piece = base64.b64decode(entry["token_bytes"], validate=True)
    if entry["rank"] != rank or not piece or (rank < 256 and piece != bytes([rank])):
        raise ValueError(f"rank {entry['rank']!r} at place {rank}")
    return piece


def _control_tokens(listed: list[dict[str, Any]] | None, count: int) -> list[str]:
    """Gives the spelling of the control tokens, id by id."""
    spelled = list(_CONTROL)
    if listed is not None:
        spelled = [str(token["token_str"]) for token in sorted(listed, key=lambda token: int(token["rank"]))]
    if len(spelled) > count or len(set(spelled)) < len(spelled):
        raise ValueError(f"a list of {len(spelled)} control tokens for {count} places, or with one twice")
    return spelled + [f"<SPECIAL_{index}>" for index in range(len(spelled), count)]


def _bpe(path: Path, pieces: list[bytes], num_control: int, pattern: str) -> Tokenizer:
    # The library wants text, so each byte is written as the character that byte-level BPEs agree on.
    table = {byte: BYTE_TO_CHARACTER[byte] for byte in range(256)}
    spelled = [piece.decode("latin-1").translate(table) for piece in pieces]
    ids = {token: index + num_control for index, token in enumerate(spelled)}
    merges = [
        (token[:cut], token[cut:])
        for token in spelled
        for cut in range(1, len(token))
        if token[:cut] in ids and token[cut:] in ids
    ]
    bpe = Tokenizer(models.BPE(ids, merges, ignore_merges=True))
    try:
        split = pre_tokenizers.Split(Regex(pattern), "isolated")
    except Exception as error:  # the library raises a bare Exception for a pattern that it cannot compile
        raise TokenizerError(
            f"{path}: a pattern that does not compile was found ({str(error).splitlines()[0]}), a regular expression "
            "was wanted; fetch the file again"
        ) from None
    bpe.pre_tokenizer = pre_tokenizers.Sequence(
        [split, pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]
    )
    return bpe


def _vocabulary(pieces: list[bytes], control: list[str]) -> Vocabulary:
    ids = {token: index for index, token in enumerate(control)}
    return Vocabulary(
        tokens=(*control, *(piece.decode("utf-8", "backslashreplace") for piece in pieces)),
        pieces=(*(token.encode() for token in control), *pieces),
        control=ids,
        control_ids=frozenset(ids.values()),
        bos_id=ids.get("<s>"),
        eos_id=ids.get("</s>"),
        unk_id=ids.get("<unk>"),
        leading_space=False,
        byte_pieces=False,
    )
