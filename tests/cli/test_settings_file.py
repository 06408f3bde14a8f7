"""A file of flags is read as YAML would read it, or refused with the number of the line."""

from pathlib import Path

import pytest

from octavo.cli.settings_file import Value, read_settings_file
from octavo.errors import ConfigError

KNOWN = ["host", "port", "served_model_name", "no_webui", "api_key"]


def read(tmp_path: Path, text: str) -> dict[str, Value]:
    path = tmp_path / "serve.yaml"
    path.write_text(text, encoding="utf-8")
    return read_settings_file(path, KNOWN)


def test_what_a_file_of_flags_holds(tmp_path: Path) -> None:
    text = """---
# a server
host: "example.org"   # a site
port: 8001
served-model-name: [a, "b, c", 'it''s']
no-webui: true
api_key:
  - x#y
  - 'z # not a comment'
"""
    assert read(tmp_path, text) == {
        "host": "example.org",
        "port": "8001",
        "served_model_name": ["a", "b, c", "it's"],
        "no_webui": True,
        "api_key": ["x#y", "z # not a comment"],
    }


def test_an_empty_file_says_nothing(tmp_path: Path) -> None:
    assert read(tmp_path, "\n# nothing\n") == {}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("prot: 1", "line 1: 'prot' is no flag: did you mean port"),
        ("zzz: 1", "'zzz' is no flag: octavo serve --help lists them"),
        ("port: 1\nport: 2", "line 2: 'port' is there twice"),
        ("port:", "'port' has no value"),
        ("port: &anchor 1", "line 1: '&anchor 1' cannot be read"),
        ("port: !!python/object:os.system x", "cannot be read"),
        ("host: |", "cannot be read"),
        ("host: {a: 1}", "cannot be read"),
        ("  port: 1", "without spaces before it"),
        ("- a", "want NAME: VALUE"),
        ("served-model-name: [a,", "does not end in its line"),
        ('host: "a', "want a text in double quotes"),
        ("host: 'a", "the quote does not end"),
        ("port 8000", "want NAME: VALUE"),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ConfigError, match=r"serve\.yaml") as caught:
        read(tmp_path, text)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_what_is_no_text_or_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="No such file"):
        read_settings_file(tmp_path / "missing", KNOWN)
    with pytest.raises(ConfigError, match="Is a directory"):
        read_settings_file(tmp_path, KNOWN)
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ConfigError, match="is no text"):
        read_settings_file(tmp_path / "bytes", KNOWN)
