"""Texts: documents of plain and packed files, and one line for whatever is wrong."""

import gzip
import json
import lzma
from pathlib import Path

import pytest

from octavo.collect.sources import find_sources
from octavo.collect.texts import Fields, Meter, Text, texts_of
from octavo.errors import CorpusError

LINE = json.dumps({"id": "i", "text": "one", "body": "two", "kind": "k"}) + "\n"


def read(path: Path, meter: Meter | None = None, **fields: str) -> list[Text]:
    (source,) = find_sources([path])
    return list(texts_of(source, Fields(**fields), meter))


@pytest.mark.parametrize("pack", [bytes, lzma.compress, gzip.compress])
def test_packed_files_read_like_plain_ones(tmp_path: Path, pack: type[bytes]) -> None:
    suffix = {bytes: "", lzma.compress: ".xz", gzip.compress: ".gz"}[pack]
    lines, text = tmp_path / f"a.jsonl{suffix}", tmp_path / f"b.txt{suffix}"
    lines.write_bytes(pack((LINE * 2).encode()))
    text.write_bytes(pack(b"ein Text\r\n"))
    meter = Meter()
    assert [each.text for each in read(lines, meter)] == ["one", "one"]
    assert meter.num_bytes == lines.stat().st_size
    assert read(text) == [Text(domain="b", name=text.name, source=text.name, text="ein Text\r\n")]


def test_lines_are_named_by_their_place_and_keep_their_id(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(LINE + '{"text": "x", "id": 3}\n')
    assert [(each.name, each.source, each.domain) for each in read(path)] == [
        ("a.jsonl:1", "i", "a"),
        ("a.jsonl:2", "", "a"),
    ]


def test_text_and_domain_come_from_the_fields_that_are_named(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text(LINE)
    (found,) = read(path, text="body", domain="kind")
    assert (found.text, found.domain) == ("two", "k")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b'{"text": "a"}\n{"body": "b"}\n', "line 2 has no string 'text' .it holds body.: name the field"),
        (b'{"text": 3}\n', "line 1 has no string 'text'"),
        (b"[1]\n", "it holds a JSON list"),
        (b"{\n", "line 1 is not JSON"),
        (b"[" * 100_000 + b"\n", "line 1 is not JSON"),
        (b'{"text": "\xff"}\n', "line 1 is not UTF-8 at byte 10"),
        (b'{"text": " "}\n', "line 1 is an empty document"),
        (b'{"text": "\\ud800"}\n', "half a surrogate pair"),
        (b"", "is empty"),
    ],
)
def test_what_is_wrong_with_a_line_is_said_with_its_place(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError, match=rf"a\.jsonl.*{message}") as error:
        read(path)
    assert "\n" not in str(error.value)


def test_what_is_wrong_with_a_text_is_said(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes(b"caf\xe9")
    with pytest.raises(CorpusError, match=r"a\.txt is not UTF-8 at byte 3"):
        read(path)
    path.write_bytes(b"")
    with pytest.raises(CorpusError, match="empty document"):
        read(path)


@pytest.mark.parametrize("suffix", [".xz", ".gz"])
def test_a_file_that_is_cut_off_or_foreign_is_named(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.jsonl{suffix}"
    packed = {".xz": lzma.compress, ".gz": gzip.compress}[suffix]((LINE * 1000).encode())
    path.write_bytes(packed[: len(packed) // 2])
    with pytest.raises(CorpusError, match=r"a\.jsonl.*(cut off|cannot be read)"):
        read(path)
    path.write_bytes(b"something else")
    with pytest.raises(CorpusError, match=r"a\.jsonl.*cannot be read"):
        read(path)


def test_a_file_without_a_byte_is_left_out_where_a_folder_held_it(tmp_path: Path) -> None:
    (tmp_path / "__init__.py").write_bytes(b"")
    (tmp_path / "none.jsonl").write_bytes(b"")
    for source in find_sources([tmp_path]):
        assert list(texts_of(source, Fields())) == []
