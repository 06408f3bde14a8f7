"""Sources: which files stand behind paths, their domains, and what their documents are called."""

import hashlib
import io
from pathlib import Path

import pytest

from octavo.collect.sources import domain_of, find_sources, plain_name
from octavo.errors import RequestError


@pytest.mark.parametrize(
    ("name", "domain"),
    [
        ("french.test.jsonl.xz", "french"),
        ("math_latex.train.03.jsonl", "math_latex"),
        ("notes.txt", "notes"),
        ("notes.v2.md.gz", "notes.v2"),
        ("README", "README"),
        ("fable.jsonl", "fable"),
    ],
)
def test_a_file_is_a_domain(name: str, domain: str) -> None:
    assert domain_of(Path("somewhere", name)) == domain


def test_a_folder_has_a_domain_for_each_subfolder_and_each_file_beside_them(texts: Path) -> None:
    found = {source.name: source.domain for source in find_sources([texts])}
    home = texts.name
    assert found == {
        f"{home}/code.jsonl": "code",
        f"{home}/fable.test.jsonl": "fable",
        f"{home}/french/a.txt": "french",
        f"{home}/french/deep/b.txt": "french",
    }
    assert {source.domain for source in find_sources([texts], domain="one")} == {"one"}


def test_hidden_files_of_a_folder_are_left_out_but_not_one_that_is_named(tmp_path: Path) -> None:
    for name in (".hidden", "seen.txt", ".git/config", "__pycache__/a.pyc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("x")
    assert [source.path.name for source in find_sources([tmp_path])] == ["seen.txt"]
    assert [source.path.name for source in find_sources([tmp_path / ".hidden"])] == [".hidden"]


def test_two_files_of_one_name_are_told_apart_by_their_paths(tmp_path: Path) -> None:
    paths = [tmp_path / "a" / "x.txt", tmp_path / "b" / "x.txt"]
    for path in paths:
        path.parent.mkdir()
        path.write_text("x")
    assert [source.name for source in find_sources(paths)] == list(map(str, paths))


def test_the_kind_and_the_hash_are_of_the_file_as_it_lies_there(tmp_path: Path) -> None:
    path = tmp_path / "a.JSONL.xz"
    path.write_bytes(b"packed")
    (source,) = find_sources([path])
    assert source.is_lines
    assert source.num_bytes == 6
    assert source.sha256() == hashlib.sha256(b"packed").hexdigest()
    assert plain_name(Path("a.txt.gz")) == "a.txt"


def test_stdin_is_read_once_and_only_by_one_process() -> None:
    (source,) = find_sources([Path("-")], stdin=io.BytesIO(b"a text"))
    assert (source.domain, source.name, source.num_bytes) == ("stdin", "stdin", 6)
    assert source.sha256() == hashlib.sha256(b"a text").hexdigest()
    assert not source.is_lines
    with pytest.raises(RequestError, match="one process only"):
        find_sources([Path("-")], alone=False)


def test_what_is_not_there_is_said(tmp_path: Path, texts: Path) -> None:
    with pytest.raises(RequestError, match="nowhere is not there"):
        find_sources([Path("nowhere")])
    with pytest.raises(RequestError, match="holds no file"):
        find_sources([tmp_path])
    with pytest.raises(RequestError, match="no text"):
        find_sources([])
    with pytest.raises(RequestError, match=r"a\.txt is named 2 times"):
        find_sources([texts, texts / "french" / "a.txt"])
