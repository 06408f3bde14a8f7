"""What was written is read, whole documents at a time; what is missing, damaged or foreign is named."""

from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.chunk import Chunk
from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter
from tests.analysis.synthetic import MemoryTrace, manifest_of, uniform

DOMAINS = ("news", "a/b")


def some_documents(count: int = 6, num_tokens: int = 50, **fields: object) -> list[DocumentRoutes]:
    return [
        uniform(num_tokens + number, num_layers=3, name=f"n{number}", domain=DOMAINS[number % 2], seed=number, **fields)
        for number in range(count)
    ]


def written(folder: Path, documents: list[DocumentRoutes], **options: int) -> Path:
    with TraceWriter(folder, manifest_of(documents), **options) as writer:
        for each in documents:
            writer.add(each)
    return folder


def joined(chunks: list[Chunk], name: str, axis: int) -> np.ndarray:
    return np.concatenate([getattr(chunk, name) for chunk in chunks], axis)


@pytest.mark.parametrize("part_tokens", [10, 110, 100_000])
def test_rows_come_back_as_they_were_given(tmp_path: Path, part_tokens: int) -> None:
    documents = some_documents()
    trace = RouteTrace.open(written(tmp_path / "x.route", documents, part_tokens=part_tokens))
    memory = MemoryTrace(documents)
    read, given = list(trace.chunks()), list(memory.chunks())
    for name, axis in [("expert_LTK", 1), ("code_LT", 1), ("token_T", 0), ("position_T", 0), ("document_S", 0)]:
        assert np.array_equal(joined(read, name, axis), joined(given, name, axis)), name
    assert trace.domains == memory.domains
    assert trace.num_tokens == memory.num_tokens
    assert trace.documents() == memory.documents()
    assert trace.manifest == memory.manifest
    assert trace.complete
