"""Small traces on a disk, and ways to spoil them, for the tests of the store."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter
from tests.analysis.synthetic import manifest_of, uniform

DOMAINS = ("news", "a/b")


def some_documents(count: int = 6, num_tokens: int = 50, **fields: Any) -> list[DocumentRoutes]:
    """Documents of two domains in turn, each a little longer than the one before."""
    return [
        uniform(num_tokens + number, num_layers=3, name=f"n{number}", domain=DOMAINS[number % 2], seed=number, **fields)
        for number in range(count)
    ]


def written(
    folder: Path, documents: list[DocumentRoutes], manifest: TraceManifest | None = None, **options: Any
) -> Path:
    """A trace of these documents."""
    with TraceWriter(folder, manifest or manifest_of(documents), **options) as writer:
        for each in documents:
            writer.add(each)
    return folder


def parts_of(folder: Path) -> list[Path]:
    """The parts of a trace, by name."""
    return sorted(folder.glob("domain=*/part-*.parquet"))


def joined(chunks: list[Chunk], name: str, axis: int) -> np.ndarray:
    """One column of all chunks together."""
    return np.concatenate([getattr(chunk, name) for chunk in chunks], axis)


def rewrite(path: Path, change: Callable[[pa.Table], pa.Table]) -> None:
    """Replaces a Parquet file by a changed one, its metadata kept."""
    table = pq.read_table(path, partitioning=None)
    pq.write_table(change(table).replace_schema_metadata(table.schema.metadata), path)


def set_cell(name: str, row: int, value: Any) -> Callable[[pa.Table], pa.Table]:
    """A change of one cell."""

    def change(table: pa.Table) -> pa.Table:
        values = table[name].to_pylist()
        values[row] = value
        place = table.schema.get_field_index(name)
        return table.set_column(place, table.schema.field(name), pa.array(values, table.schema.field(name).type))

    return change


def read_everything(folder: Path) -> list[Chunk]:
    """Every row of a trace."""
    return list(RouteTrace.open(folder).chunks())
