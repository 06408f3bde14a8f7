"""Parquet files that are whole or not there: written aside and moved in one step, read with every check."""

import os
from pathlib import Path
from typing import Any

from octavo.analysis.store.extras import arrow, parquet
from octavo.errors import TraceError

LEVEL = 3
ROW_GROUP = 131_072


def write_table(table: Any, path: Path, *, dictionary: list[str], deltas: list[str]) -> None:
    """Writes an Arrow table to ``path``, replacing what stands there in one step, so that a reader finds the old file
    or the new one. Raises OSError, with nothing left behind."""
    fresh = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        with fresh.open("wb") as file:
            parquet().write_table(
                table,
                file,
                compression="zstd",
                compression_level=LEVEL,
                use_dictionary=dictionary,
                column_encoding=dict.fromkeys(deltas, "DELTA_BINARY_PACKED") or None,
                write_statistics=deltas,
                write_page_checksum=True,
                row_group_size=ROW_GROUP,
            )
            file.flush()
            os.fsync(file.fileno())
        fresh.replace(path)
        _settle(path.parent)
    except arrow().lib.ArrowException as error:
        raise OSError(first_line(error)) from error
    finally:
        fresh.unlink(missing_ok=True)


def open_table(path: Path) -> Any:
    """Opens a Parquet file; raises TraceError, naming it, where it is none."""
    try:
        file = parquet().ParquetFile(path, page_checksum_verification=True)
    except FileNotFoundError:
        raise TraceError(f"{path} is missing: copy the whole trace again, or write it anew") from None
    except (OSError, ValueError, arrow().lib.ArrowException) as error:
        raise damaged(path, error) from None
    # Pages carry a checksum, the footer none: its counts stand there twice.
    footer = file.metadata
    if footer.num_rows != sum(footer.row_group(group).num_rows for group in range(footer.num_row_groups)):
        file.close()
        raise damaged(path, ValueError("its counts of rows disagree"))
    return file


def read_all(path: Path, schema: Any) -> Any:
    """Reads a whole Parquet file that must have this schema; raises TraceError, naming it, where it has another."""
    with open_table(path) as file:
        found = file.schema_arrow.remove_metadata()
        if not found.equals(schema):
            raise TraceError(f"{path} has the columns {_spelled(found)}, want {_spelled(schema)}: remove it")
        try:
            return file.read()
        except (OSError, ValueError, arrow().lib.ArrowException) as error:
            raise damaged(path, error) from None


def _spelled(schema: Any) -> str:
    return ", ".join(f"{field.name} {field.type}" for field in schema)


def damaged(path: Path, error: Exception) -> TraceError:
    """The error for a file that cannot be read to its end."""
    return TraceError(f"{path} is damaged ({first_line(error)}): copy it again, or write the trace anew")


def first_line(error: Exception) -> str:
    """What an error says, on one line and without a final stop."""
    text = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return text.strip().splitlines()[0].rstrip(".")


def _settle(folder: Path) -> None:
    """Lets a renaming outlive the machine as well as the process."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
