"""A corpus is read as it is written, and whatever is wrong with it is said with file and line."""

import json
import lzma

import pytest

from octavo.errors import CorpusError
from octavo.training.corpus import corpus_folder, documents, shards

GOOD = json.dumps({"id": "a", "text": "größer"}).encode() + b"\n"


def test_shards_are_found_by_domain_split_and_part(tmp_path):
    for name in ("law.train.jsonl.xz", "law.train.01.jsonl", "law.test.jsonl", "code-c.train.jsonl", "README.md"):
        (tmp_path / name).touch()
    found = shards(tmp_path, "train")
    assert [(shard.domain, shard.path.name) for shard in found] == [
        ("code-c", "code-c.train.jsonl"),
        ("law", "law.train.01.jsonl"),
        ("law", "law.train.jsonl.xz"),
    ]
    assert shards(tmp_path, "validation", required=False) == ()
    with pytest.raises(CorpusError, match="holds no validation text"):
        shards(tmp_path, "validation")


@pytest.mark.parametrize("packed", [False, True])
def test_documents_come_one_by_one_with_name_and_line(tmp_path, packed):
    path = tmp_path / ("a.train.jsonl.xz" if packed else "a.train.jsonl")
    content = GOOD + b'{"text": "no id"}\n'
    path.write_bytes(lzma.compress(content) if packed else content)
    assert [(d.name, d.text, d.line) for d in documents(path)] == [("a", "größer", 1), ("line 2", "no id", 2)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (GOOD + b'{"text": "\xff"}\n', "line 2 is not UTF-8 (byte 0xff at 10)"),
        (GOOD + b'{"text": "cut o', "line 2 is not JSON"),
        (GOOD + b"[1, 2]\n", 'line 2 has no string "text"'),
        (b'{"text": 3}\n', 'line 1 has no string "text"'),
        (GOOD + GOOD + b'{"text": "  "}\n', "line 3 has an empty text"),
        (b'{"text": "\\ud800"}\n', "line 1 holds half a surrogate pair"),
    ],
)
def test_a_bad_file_is_named_with_its_line(tmp_path, content, words):
    path = tmp_path / "bad.train.jsonl"
    path.write_bytes(content)
    with pytest.raises(CorpusError) as caught:
        list(documents(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda packed: packed[: len(packed) // 2], "is cut off"),
        (lambda packed: packed[:40] + bytes(8) + packed[48:], "cannot be read"),
        (lambda packed: b"not xz at all", "cannot be read"),
        (lambda packed: lzma.compress(b""), "is empty"),
    ],
)
def test_a_broken_archive_is_named(tmp_path, damage, words):
    path = tmp_path / "bad.train.jsonl.xz"
    path.write_bytes(damage(lzma.compress(GOOD * 500)))
    with pytest.raises(CorpusError) as caught:
        list(documents(path))
    assert words in str(caught.value)
    assert str(path) in str(caught.value)


def test_the_folder_is_the_argument_else_the_variable(tmp_path, monkeypatch):
    monkeypatch.delenv("OCTAVO_CORPUS", raising=False)
    with pytest.raises(CorpusError, match="set OCTAVO_CORPUS"):
        corpus_folder()
    monkeypatch.setenv("OCTAVO_CORPUS", str(tmp_path / "gone"))
    with pytest.raises(CorpusError, match="is not a folder"):
        corpus_folder()
    assert corpus_folder(tmp_path) == tmp_path
