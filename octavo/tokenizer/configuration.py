"""The files beside a tokenizer: its named special tokens, its chat template, and the ids that end a text."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.errors import TokenizerError
from octavo.tokenizer.files import read_json_object
from octavo.tokenizer.vocabulary import MAX_ID


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """``tokenizer`` is tokenizer_config.json whole, ``special`` the named special tokens such as ``bos_token``,
    ``added`` the ids of tokens added to a tokenizer.model, ``template`` the chat template and ``template_path`` its
    file, ``eos_ids`` those of generation_config.json."""

    tokenizer: Mapping[str, Any]
    special: Mapping[str, str]
    added: Mapping[str, int]
    template: str | None
    template_path: Path
    eos_ids: tuple[int, ...]


def read_configuration(folder: Path) -> Configuration:
    """Reads what ``folder`` has of them. Raises TokenizerError, which names the file, if one is damaged."""
    path = folder / "tokenizer_config.json"
    tokenizer = _optional(path)
    special: dict[str, str] = {}
    for source in (folder / "special_tokens_map.json", path):
        special |= _special(source, tokenizer if source == path else _optional(source))
    template, template_path = _template(folder, path, tokenizer)
    return Configuration(
        tokenizer=tokenizer,
        special=special,
        added=_added(path, tokenizer) | _added(folder / "added_tokens.json", _optional(folder / "added_tokens.json")),
        template=template,
        template_path=template_path,
        eos_ids=_eos_ids(folder / "generation_config.json"),
    )


def _optional(path: Path) -> dict[str, Any]:
    return read_json_object(path, "a JSON object") if path.is_file() else {}


def _special(path: Path, content: Mapping[str, Any]) -> dict[str, str]:
    """Gives the named special tokens, each written as text or as an object with its content."""
    special = {}
    for name, value in content.items():
        if not name.endswith("_token") or name.startswith(("add_", "use_", "split_")) or value is None:
            continue
        token = value.get("content") if isinstance(value, Mapping) else value
        if not isinstance(token, str):
            raise TokenizerError(
                f"{path}: {name} of type {type(value).__name__} was found, text was wanted; correct it"
            )
        special[name] = token
    return special


def _added(path: Path, content: Mapping[str, Any]) -> dict[str, int]:
    """Gives the ids of added tokens, from an object of token to id or, in tokenizer_config.json, of id to token."""
    if path.name == "tokenizer_config.json":
        listed = content.get("added_tokens_decoder") or {}
        pairs = [(flags.get("content"), index) for index, flags in listed.items() if isinstance(flags, Mapping)]
    else:
        pairs = list(content.items())
    added = {}
    for token, index in pairs:
        number = int(index) if str(index).isdecimal() else -1
        if not isinstance(token, str) or not token or not 0 <= number <= MAX_ID:
            raise TokenizerError(
                f"{path}: added token {token!r} with id {index!r} was found, text and an id was wanted"
            )
        added[token] = number
    return added


def _template(folder: Path, path: Path, content: Mapping[str, Any]) -> tuple[str | None, Path]:
    """Gives the chat template: the file of its own, else the one of tokenizer_config.json, the default of several."""
    own = folder / "chat_template.jinja"
    if own.is_file():
        try:
            return own.read_text(encoding="utf-8"), own
        except UnicodeDecodeError as error:
            raise TokenizerError(f"{own}: {error} was found, UTF-8 was wanted; fetch the file again") from None
    template = content.get("chat_template")
    if isinstance(template, list):
        named = {
            entry["name"]: entry["template"]
            for entry in template
            if isinstance(entry, Mapping) and {"name", "template"} <= entry.keys()
        }
        template = named.get("default") if len(named) == len(template) else template
        if template is None:
            raise TokenizerError(
                f"{path}: chat templates named {', '.join(map(str, named))} were found, one named default was wanted; "
                "name one so"
            )
    if template is not None and not isinstance(template, str):
        raise TokenizerError(
            f"{path}: a chat template of type {type(template).__name__} was found, text was wanted; correct it"
        )
    return template, path


def _eos_ids(path: Path) -> tuple[int, ...]:
    value = _optional(path).get("eos_token_id")
    ids = value if isinstance(value, list) else [] if value is None else [value]
    if not all(isinstance(token_id, int) and token_id >= 0 for token_id in ids):
        raise TokenizerError(f"{path}: eos_token_id {value!r} was found, an id or a list of ids was wanted; correct it")
    return tuple(ids)
