"""Reads a tokenizer.json, with the configuration files beside it, into an encoder and a vocabulary.

The BPE inside is rebuilt without its control tokens, so that no text can become one. Decoding is read from the file's
decoder steps: Replace and Metaspace turn ▁ into a space, ByteFallback <0x41> into a byte, ByteLevel its alphabet into
bytes, Strip takes away the space before the text.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tokenizers import Tokenizer

from octavo.errors import TokenizerError
from octavo.tokenizer.encoder import Encoder
from octavo.tokenizer.files import read_json_object
from octavo.tokenizer.vocabulary import BYTE_TO_CHARACTER, MAX_ID, SPACE_MARK, Vocabulary

_BYTE_TOKEN = re.compile(r"<0x[0-9A-Fa-f]{2}>")
_BRACKETED = re.compile(r"<.+>|\[.+\]", re.DOTALL)
_CHARACTER_TO_BYTE = {character: byte for byte, character in BYTE_TO_CHARACTER.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class JsonTokenizer:
    """What the file holds: ``prefix_ids`` and ``suffix_ids`` are the control tokens put around a prompt, and
    ``takes_space`` names the control tokens that take the white space on their left or right with them."""

    encoder: Encoder
    vocabulary: Vocabulary
    prefix_ids: tuple[int, ...]
    suffix_ids: tuple[int, ...]
    takes_space: Mapping[str, tuple[bool, bool]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Decoding:
    """What the decoder steps of the file come to."""

    spaces: bool
    bytes_named: bool
    bytes_mapped: bool
    strips: bool

    def piece(self, token: str) -> bytes:
        if self.bytes_named and _BYTE_TOKEN.fullmatch(token):
            return bytes([int(token[3:5], 16)])
        if self.bytes_mapped and all(character in _CHARACTER_TO_BYTE for character in token):
            return bytes(_CHARACTER_TO_BYTE[character] for character in token)
        return (token.replace(SPACE_MARK, " ") if self.spaces else token).encode("utf-8", "replace")


def read_tokenizer_json(path: Path, config: Mapping[str, Any], special: Mapping[str, str]) -> JsonTokenizer:
    """Reads the tokenizer at ``path``. ``config`` is tokenizer_config.json and ``special`` the named special tokens,
    such as ``bos_token``. Raises TokenizerError if it is damaged or not a BPE."""
    content = read_json_object(path, "a tokenizer of the tokenizers library")
    try:
        added = _added_tokens(content, config)
        named = {*special.values(), *_further_special(config)}
        # Some folders forget to mark their <|im_start|> as special: a bracketed word is no text of a user either.
        control = {
            token for token, flags in added.items() if flags["special"] or token in named or _BRACKETED.fullmatch(token)
        }
        ids = _ids(content, added)
        decoding = _decoding(content.get("decoder"))
        encoder = _encoder(content, added, control, ids)
        prefix, suffix = _around(content.get("post_processor"))
        vocabulary = _vocabulary(ids, control, decoding, special)
        begin, end = (_control_ids(part, vocabulary) for part in (prefix, suffix))
    except TokenizerError as error:
        raise TokenizerError(f"{path}: {error}") from None
    except Exception as error:  # the library raises a bare Exception for what it cannot read
        found = f"{type(error).__name__} {error}".splitlines()[0][:200]
        raise TokenizerError(
            f"{path}: {found} was found, a tokenizer of the tokenizers library was wanted; fetch the file again"
        ) from None
    return JsonTokenizer(
        encoder=encoder,
        vocabulary=vocabulary,
        prefix_ids=_with_switch(begin, config.get("add_bos_token"), vocabulary.bos_id),
        suffix_ids=_with_switch(end, config.get("add_eos_token"), vocabulary.eos_id),
        takes_space={
            token: (bool(flags.get("lstrip")), bool(flags.get("rstrip")))
            for token, flags in added.items()
            if token in control
        },
    )


def _added_tokens(content: Mapping[str, Any], config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Gives the tokens added to the BPE, by spelling; tokenizer_config.json may add to those of the file."""
    added: dict[str, dict[str, Any]] = {}
    listed = [(flags["id"], flags) for flags in content.get("added_tokens") or []]
    listed += [(int(index), flags) for index, flags in (config.get("added_tokens_decoder") or {}).items()]
    for index, flags in listed:
        token = str(flags["content"])
        known = added.setdefault(token, {**flags, "id": index})
        if known["id"] != index:
            raise TokenizerError(
                f"token {token!r} with ids {known['id']} and {index} was found, one id was wanted; fetch them again"
            )
        known["special"] = bool(known.get("special")) or bool(flags.get("special"))
    return added


def _further_special(config: Mapping[str, Any]) -> Iterator[str]:
    """Gives the special tokens that have no name of their own."""
    for token in config.get("additional_special_tokens") or []:
        yield str(token["content"] if isinstance(token, Mapping) else token)


def _ids(content: Mapping[str, Any], added: Mapping[str, Mapping[str, Any]]) -> dict[str, int]:
    kind = content["model"].get("type", "BPE")
    if kind != "BPE":
        raise TokenizerError(f"a {kind} tokenizer was found, a BPE was wanted; use a Mistral or Mixtral tokenizer")
    ids: dict[str, Any] = {**content["model"]["vocab"], **{token: flags["id"] for token, flags in added.items()}}
    for token, index in ids.items():
        if not isinstance(index, int) or not 0 <= index <= MAX_ID:
            raise TokenizerError(
                f"id {index!r} for token {token!r} was found, 0 to {MAX_ID} was wanted; fetch it again"
            )
    if len(set(ids.values())) < len(ids):
        raise TokenizerError("two tokens with one id were found, one each was wanted; fetch the file again")
    return ids


def _decoding(decoder: Mapping[str, Any] | None) -> _Decoding:
    spaces = bytes_named = bytes_mapped = strips = False
    for step in _steps(decoder, "decoders"):
        kind = step["type"]
        if kind == "Replace" and step["pattern"] == {"String": SPACE_MARK} and step["content"] == " ":
            spaces = True
        elif kind == "Metaspace" and step.get("replacement", SPACE_MARK) == SPACE_MARK:
            spaces = True
            strips = step.get("prepend_scheme", "always") != "never" and step.get("add_prefix_space") is not False
        elif kind == "ByteFallback":
            bytes_named = True
        elif kind == "ByteLevel":
            bytes_mapped = True
        elif kind == "Strip" and step["content"] == " " and (step["start"], step["stop"]) == (1, 0):
            strips = True
        elif kind != "Fuse":
            raise TokenizerError(f"decoder step {json.dumps(step)[:120]} was found, one of a Mistral, Llama or GPT-2 "
                                 "tokenizer was wanted; use such a tokenizer")  # fmt: skip
    return _Decoding(spaces=spaces, bytes_named=bytes_named, bytes_mapped=bytes_mapped, strips=strips)


def _steps(part: Mapping[str, Any] | None, plural: str) -> Iterator[Mapping[str, Any]]:
    """Gives the steps of a part of the pipeline, which may be none, one, or a sequence (of sequences)."""
    if part is None:
        return
    if part["type"] != "Sequence":
        yield part
        return
    for step in part[plural]:
        yield from _steps(step, plural)


def _encoder(
    content: Mapping[str, Any], added: Mapping[str, Mapping[str, Any]], control: set[str], ids: Mapping[str, int]
) -> Encoder:
    """Builds the BPE again without its control tokens, and without what it puts around a prompt."""
    model = dict(content["model"])
    unknown = model.get("unk_token")
    barred = control - {unknown}
    model["vocab"] = {token: index for token, index in ids.items() if token not in barred}
    model["merges"] = [merge for merge in model["merges"] if barred.isdisjoint(_parts(merge))]
    plain = {
        **content,
        "model": model,
        "added_tokens": [dict(flags) for token, flags in added.items() if token not in control],
        **dict.fromkeys(("post_processor", "truncation", "padding")),
    }
    bpe = Tokenizer.from_str(json.dumps(plain))
    splitter = content.get("pre_tokenizer")
    if not any(step.get("prepend_scheme") == "first" for step in _steps(splitter, "pretokenizers")):
        return Encoder(bpe=bpe)
    text = json.dumps({**plain, "pre_tokenizer": _never_prepends(splitter)})
    return Encoder(bpe=bpe, continuing=Tokenizer.from_str(text))


def _parts(merge: str | list[str]) -> tuple[str, str, str]:
    left, right = merge.split(" ") if isinstance(merge, str) else merge
    return left, right, left + right


def _never_prepends(splitter: Any) -> Any:
    if splitter["type"] == "Sequence":
        return {**splitter, "pretokenizers": [_never_prepends(step) for step in splitter["pretokenizers"]]}
    return {**splitter, "prepend_scheme": "never"} if splitter.get("prepend_scheme") == "first" else splitter


def _around(processor: Mapping[str, Any] | None) -> tuple[list[str], list[str]]:
    """Gives the control tokens that the file puts before and after a prompt."""
    for step in _steps(processor, "processors"):
        if step["type"] == "TemplateProcessing":
            parts = [part["SpecialToken"]["id"] if "SpecialToken" in part else None for part in step["single"]]
            at = parts.index(None)
            return [part for part in parts[:at] if part], [part for part in parts[at + 1 :] if part]
        if step["type"] != "ByteLevel":
            raise TokenizerError(
                f"post-processor {step['type']} was found, TemplateProcessing was wanted; use a Mistral tokenizer"
            )
    return [], []


def _control_ids(tokens: list[str], vocabulary: Vocabulary) -> tuple[int, ...]:
    return tuple(vocabulary.control[token] for token in tokens)


def _with_switch(ids: tuple[int, ...], switch: object, token_id: int | None) -> tuple[int, ...]:
    """Gives what stands at one end of a prompt, after add_bos_token or add_eos_token, where it is set, has its say."""
    if not isinstance(switch, bool) or token_id is None or switch == (token_id in ids):
        return ids
    return (token_id,) if switch else tuple(other for other in ids if other != token_id)


def _vocabulary(
    ids: Mapping[str, int], control: set[str], decoding: _Decoding, special: Mapping[str, str]
) -> Vocabulary:
    tokens = [""] * (max(ids.values(), default=-1) + 1)
    for token, index in ids.items():
        tokens[index] = token
    named = {
        name: _named_id(name, fallback if fallback in control else None, ids, special)
        for name, fallback in (("bos_token", "<s>"), ("eos_token", "</s>"), ("unk_token", "<unk>"))
    }
    marked = control | {tokens[index] for index in named.values() if index is not None}
    return Vocabulary(
        tokens=tuple(tokens),
        pieces=tuple(map(decoding.piece, tokens)),
        control={token: ids[token] for token in marked},
        control_ids=frozenset(ids[token] for token in marked),
        bos_id=named["bos_token"],
        eos_id=named["eos_token"],
        unk_id=named["unk_token"],
        leading_space=decoding.strips,
        byte_pieces=decoding.bytes_named,
    )


def _named_id(name: str, fallback: str | None, ids: Mapping[str, int], special: Mapping[str, str]) -> int | None:
    """Gives the id of the token that the configuration calls ``name``, else of the one usually called so."""
    token = special.get(name, fallback)
    if token is None:
        return None
    if token not in ids:
        raise TokenizerError(
            f"{name} {token!r} was found in the configuration, a token of the vocabulary was wanted; fetch "
            "tokenizer_config.json and tokenizer.json from the same place"
        )
    return ids[token]
