"""The words of a trace come back, byte for byte."""

from pathlib import Path

import pytest

from octavo.analysis.store.vocabulary import NO_WORDS, read_words, write_words
from octavo.errors import TraceError


def test_words_come_back_byte_for_byte(tmp_path: Path) -> None:
    pieces = [b"<s>", b"", b"\xff", "語".encode(), b" the", b""]
    write_words(tmp_path, pieces, {0, 5})
    words = read_words(tmp_path)
    assert dict(words.pieces) == {0: b"<s>", 2: b"\xff", 3: "語".encode(), 4: b" the", 5: b""}
    assert words.special_ids == {0, 5}


def test_a_trace_without_a_vocabulary_has_no_words(tmp_path: Path) -> None:
    assert read_words(tmp_path) == NO_WORDS


def test_a_damaged_vocabulary_is_named(tmp_path: Path) -> None:
    (tmp_path / "vocabulary.parquet").write_text("no")
    with pytest.raises(TraceError, match=r"vocabulary\.parquet is damaged"):
        read_words(tmp_path)


def test_one_that_cannot_be_written_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"vocabulary\.parquet cannot be written \(.*No such file"):
        write_words(tmp_path / "nowhere", [b"a"], set())
