"""What was written is read, whole documents at a time; several shards of a run are read as one."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import octavo
from octavo.analysis.store import RouteTrace, TraceWriter
from octavo.errors import TraceError
from tests.analysis.store.traces import joined, some_documents, written
from tests.analysis.synthetic import MemoryTrace, constant, manifest_of


@pytest.mark.parametrize("part_tokens", [10, 110, 100_000])
def test_rows_come_back_as_they_were_given(tmp_path: Path, part_tokens: int) -> None:
    documents = some_documents()
    trace = octavo.RouteTrace.open(written(tmp_path / "x.route", documents, part_tokens=part_tokens))
    memory = MemoryTrace(documents)
    read, given = list(trace.chunks()), list(memory.chunks())
    for name, axis in [("expert_LTK", 1), ("code_LT", 1), ("token_T", 0), ("position_T", 0), ("document_S", 0)]:
        assert np.array_equal(joined(read, name, axis), joined(given, name, axis)), name
    assert trace.domains == memory.domains
    assert trace.num_tokens == memory.num_tokens
    assert trace.documents() == memory.documents()
    assert trace.manifest == memory.manifest
    assert trace.complete


def test_chunks_are_whole_documents_and_no_longer_than_asked(tmp_path: Path) -> None:
    trace = RouteTrace.open(written(tmp_path / "x.route", some_documents()))
    chunks = list(trace.chunks(max_tokens=110))
    assert [chunk.document_S.tolist() for chunk in chunks] == [[1, 3], [5], [0, 2], [4]]
    assert [np.diff(chunk.start_S1).tolist() for chunk in chunks] == [[51, 53], [55], [50, 52], [54]]
    assert all(chunk.num_tokens == chunk.start_S1[-1] == chunk.expert_LTK.shape[1] for chunk in chunks)
    assert [chunk.document_S.tolist() for chunk in trace.chunks(max_tokens=1)] == [[1], [3], [5], [0], [2], [4]]


def test_domains_and_layers_are_those_that_were_asked_for(tmp_path: Path) -> None:
    documents = some_documents(2)
    trace = RouteTrace.open(written(tmp_path / "x.route", documents))
    (chunk,) = trace.chunks(domains=["news"], layers=[2, 0])
    assert chunk.domain == "news"
    assert np.array_equal(chunk.expert_LTK, documents[0].expert_TLK.swapaxes(0, 1)[[2, 0]])


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ({"domains": ["olds"]}, r"has no domain 'olds': want some of \['a/b', 'news'\]"),
        ({"layers": [3]}, r"has no layer 3: want some of \[0, 1, 2\]"),
        ({"layers": []}, "at least one, each once"),
        ({"layers": [1, 1]}, "at least one, each once"),
        ({"weights": True}, "has no weights: trace again with them"),
        ({"logits": True}, "has no logits"),
        ({"nll": True}, "has no nll"),
        ({"predictions": True}, "has no predictions"),
    ],
)
def test_what_a_trace_does_not_have_is_said_at_once(tmp_path: Path, asked: dict[str, Any], said: str) -> None:
    trace = RouteTrace.open(written(tmp_path / "x.route", some_documents(2)))
    with pytest.raises(TraceError, match=said):
        trace.chunks(**asked)


def test_words_are_read_without_a_model(tmp_path: Path) -> None:
    documents = [constant(2)]
    with TraceWriter(tmp_path / "x.route", manifest_of(documents)) as writer:
        writer.write_vocabulary([b"<s>", b"", "é".encode()], {0})
        writer.add(documents[0])
    trace = RouteTrace.open(tmp_path / "x.route")
    assert trace.vocabulary() == {0: b"<s>", 2: "é".encode()}
    assert trace.special_ids == {0}
    assert trace.token_bytes(2) == "é".encode()
    with pytest.raises(TraceError, match="does not know token 1: it has the words of 2"):
        trace.token_bytes(1)


def test_a_trace_without_tokens_keeps_no_words(tmp_path: Path) -> None:
    documents = [replace(constant(2), token_T=None)]
    with TraceWriter(tmp_path / "x.route", manifest_of(documents)) as writer:
        writer.write_vocabulary([b"a"], set())
        writer.add(documents[0])
    assert RouteTrace.open(tmp_path / "x.route").vocabulary() == {}
    assert not (tmp_path / "x.route" / "vocabulary.parquet").exists()


def test_two_shards_are_read_as_one_trace(tmp_path: Path) -> None:
    documents = some_documents()
    whole = RouteTrace.open(written(tmp_path / "whole.route", documents))
    numbered = [replace(each, document=number) for number, each in enumerate(documents)]
    shards = [
        written(tmp_path / f"{name}.route", half) for name, half in [("one", numbered[:3]), ("two", numbered[3:])]
    ]
    both = RouteTrace.open(shards)
    assert both.documents() == whole.documents()
    read, wanted = list(both.chunks()), list(whole.chunks())
    assert np.array_equal(joined(read, "expert_LTK", 1), joined(wanted, "expert_LTK", 1))


def test_documents_of_two_shards_that_have_the_same_numbers_are_numbered_on(tmp_path: Path) -> None:
    documents = some_documents()
    shards = [
        written(tmp_path / f"{name}.route", half) for name, half in [("one", documents[:2]), ("two", documents[2:])]
    ]
    both = RouteTrace.open(shards)
    assert [each.name for each in both.documents()] == [f"n{number}" for number in range(6)]
    chunks = list(both.chunks(domains=["news"]))
    assert joined(chunks, "document_S", 0).tolist() == [0, 2, 4]
    assert (
        joined(chunks, "token_T", 0).tolist()
        == np.concatenate([documents[each].token_T for each in (0, 2, 4)]).tolist()
    )  # type: ignore[misc]


def test_the_same_document_twice_is_noticed(tmp_path: Path) -> None:
    folder = written(tmp_path / "one.route", some_documents(2))
    with pytest.raises(TraceError, match=r"document 'n1' stands in .*one\.route/.* and in .*two\.route/.*: leave one"):
        RouteTrace.open([folder, shutil.copytree(folder, tmp_path / "two.route")])


def test_shards_that_contradict_each_other_are_refused_by_field(tmp_path: Path) -> None:
    documents = some_documents(2)
    stated = manifest_of(documents, settings={"dtype": "float32"})
    one = written(tmp_path / "one.route", documents[:1], stated)
    two = written(tmp_path / "two.route", documents[1:], replace(stated, settings={"dtype": "bfloat16"}))
    three = written(tmp_path / "three.route", documents[1:], replace(stated, bos="never"))
    with pytest.raises(TraceError, match=r"not of one run: settings\.dtype is 'float32' and 'bfloat16'"):
        RouteTrace.open([one, two])
    with pytest.raises(TraceError, match="not of one run: bos is 'unknown' and 'never'"):
        RouteTrace.open([one, three])


def test_what_is_no_trace_with_rows_is_said(tmp_path: Path) -> None:
    with pytest.raises(TraceError, match=r"has no manifest\.json: want a trace"):
        RouteTrace.open(tmp_path)
    with pytest.raises(TraceError, match="no trace was given"):
        RouteTrace.open([])
    manifest_of([constant(1)]).write(tmp_path)
    with pytest.raises(TraceError, match="has no rows: the run ended before its first"):
        RouteTrace.open(tmp_path)
    (tmp_path / "manifest.json").unlink()
    manifest_of([constant(1)], statistics_only=True).write(tmp_path)
    with pytest.raises(TraceError, match="keeps statistics only, no rows"):
        RouteTrace.open(tmp_path)


def test_reading_holds_a_part_or_two_however_many_there_are(tmp_path: Path) -> None:
    documents = [constant(1000, name=f"n{number}") for number in range(40)]
    trace = RouteTrace.open(written(tmp_path / "x.route", documents, part_tokens=1000))
    opened = [part.path for part, _ in zip(trace.parts, trace.chunks(), strict=True)]
    assert len(opened) == 40
    chunks = trace.chunks()
    next(chunks)
    for part in trace.parts[3:]:
        part.path.unlink()  # nobody has it open or has read it
    assert sum(1 for _ in zip(range(2), chunks, strict=False)) == 2
    with pytest.raises(TraceError, match=r"part-00000-000003\.parquet is missing"):
        list(chunks)
