"""A file of flags: the plain part of YAML that a list of settings needs, read without a YAML library.

    port: 8001                      # a comment
    served-model-name: [a, "b c"]   # or one item a line below, each after a dash
    no-webui: true

Whatever else YAML has (anchors, tags, nesting, texts over several lines) is refused with the number of its line.
"""

import difflib
import json
import re
from collections.abc import Iterable
from pathlib import Path

from octavo.errors import ConfigError

LONGEST = 1_000_000
Value = str | bool | list[str]

_ENTRY = re.compile(r"([A-Za-z][\w-]*)\s*:(?:\s+(.*))?")
_SWITCHES = {"true": True, "yes": True, "on": True, "false": False, "no": False, "off": False}
_BEYOND = "&*!|>{}%@`"


def read_settings_file(path: Path, known: Iterable[str]) -> dict[str, Value]:
    """The settings of a file, by name with underscores; raises ConfigError for what is none of ``known``."""
    names = set(known)
    settings: dict[str, Value] = {}
    open_list: list[str] | None = None
    for number, line in enumerate(_lines(path), start=1):
        bare = _strip_comment(line)
        if not bare.strip() or bare.strip() in ("---", "..."):
            continue
        where = f"{path}, line {number}"
        if bare.lstrip().startswith("- ") and open_list is not None:
            open_list.append(_text(bare.lstrip()[2:].strip(), where))
            continue
        name, value = _entry(bare, where)
        if name not in names:
            raise ConfigError(f"{where}: {name.replace('_', '-')!r} is no flag{_nearest(name, names)}")
        if name in settings:
            raise ConfigError(f"{where}: {name.replace('_', '-')!r} is there twice: leave one of them out")
        open_list = []
        settings[name] = open_list if not value else _value(value, where)
    for name, given in settings.items():
        if isinstance(given, list) and not given:
            raise ConfigError(f"{path}: {name.replace('_', '-')!r} has no value: give one, or leave it out")
    return settings


def _lines(path: Path) -> list[str]:
    try:
        if path.stat().st_size > LONGEST:
            raise ConfigError(f"{path}: is too long for a file of flags: want one NAME: VALUE a line")
        return path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise ConfigError(f"{path}: is no text: want one NAME: VALUE a line") from None
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}: want a file with one NAME: VALUE a line") from None


def _strip_comment(line: str) -> str:
    """The line up to a # that stands in no quotes."""
    quote = ""
    for place, character in enumerate(line):
        if quote:
            quote = "" if character == quote else quote
        elif character in "\"'":
            quote = character
        elif character == "#" and (place == 0 or line[place - 1].isspace()):
            return line[:place].rstrip()
    return line.rstrip()


def _entry(line: str, where: str) -> tuple[str, str]:
    found = _ENTRY.fullmatch(line)
    if found is None:
        raise ConfigError(f"{where}: {line.strip()[:60]!r} cannot be read: want NAME: VALUE, without spaces before it")
    return found[1].replace("-", "_"), (found[2] or "").strip()


def _value(text: str, where: str) -> Value:
    if text.startswith("["):
        if not text.endswith("]"):
            raise ConfigError(f"{where}: a list begins but does not end in its line: want [A, B], or one item a line")
        return [_text(item.strip(), where) for item in _items(text[1:-1])]
    if text.lower() in _SWITCHES:
        return _SWITCHES[text.lower()]
    return _text(text, where)


def _items(text: str) -> list[str]:
    """The parts between commas that stand in no quotes."""
    return re.findall(r"""(?:"[^"]*"|'[^']*'|[^,])+""", text) if text.strip() else []


def _text(text: str, where: str) -> str:
    if text.startswith('"'):
        try:
            read: object = json.loads(text)
        except ValueError:
            read = None
        if isinstance(read, str):
            return read
        raise ConfigError(f"{where}: {text[:60]!r} cannot be read: want a text in double quotes, as JSON writes it")
    if text.startswith("'"):
        if len(text) > 1 and text.endswith("'"):
            return text[1:-1].replace("''", "'")
        raise ConfigError(f"{where}: {text[:60]!r} cannot be read: the quote does not end")
    if not text or text[0] in _BEYOND:
        raise ConfigError(f"{where}: {text[:60]!r} cannot be read: want a plain value, in quotes if it is unusual")
    return text


def _nearest(name: str, names: set[str]) -> str:
    near = difflib.get_close_matches(name, names, 1)
    return f": did you mean {near[0].replace('_', '-')}?" if near else ": octavo serve --help lists them"
