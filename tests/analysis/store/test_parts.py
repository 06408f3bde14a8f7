"""A file is whole or not there, and a damaged one is named."""

import errno
import os
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from octavo.analysis.store.parts import open_table, read_all, write_table
from octavo.errors import TraceError

TABLE = pa.table({"a": pa.array(range(1000), pa.uint32()), "b": pa.array([7] * 1000, pa.uint8())})


def write(path: Path, table: Any = TABLE) -> None:
    write_table(table, path, dictionary=["b"], deltas=["a"])


def test_a_table_comes_back(tmp_path: Path) -> None:
    write(tmp_path / "x.parquet")
    assert read_all(tmp_path / "x.parquet", TABLE.schema).equals(TABLE)
    assert os.listdir(tmp_path) == ["x.parquet"]


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "x.parquet")

    def full(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        write(tmp_path / "x.parquet", TABLE.slice(0, 1))
    assert os.listdir(tmp_path) == ["x.parquet"]
    assert read_all(tmp_path / "x.parquet", TABLE.schema).num_rows == 1000


@pytest.mark.parametrize("content", [b"", b"PAR1", b"PAR1" * 100, b"not a table at all, just some text"])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.parquet").write_bytes(content)
    with pytest.raises(TraceError, match=r"x\.parquet is damaged \(.*\): copy it again") as caught:
        open_table(tmp_path / "x.parquet")
    assert "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"x\.parquet is missing: copy the whole trace"):
        open_table(tmp_path / "x.parquet")


def test_other_columns_are_named(tmp_path: Path) -> None:
    pq.write_table(pa.table({"c": [1]}), tmp_path / "x.parquet")
    with pytest.raises(TraceError, match=r"has the columns c int64, want a uint32, b uint8: remove it"):
        read_all(tmp_path / "x.parquet", TABLE.schema)


def test_no_truncation_and_no_flipped_byte_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "x.parquet"
    write(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(TraceError, match="damaged"):
            read_all(path, TABLE.schema)
    noticed = 0
    for place in range(0, len(whole), 11):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
        try:
            assert read_all(path, TABLE.schema).equals(TABLE)  # a flip in what nobody reads, such as a version
        except TraceError as error:
            noticed += str(path) in str(error)
    assert noticed > len(whole) // 22
