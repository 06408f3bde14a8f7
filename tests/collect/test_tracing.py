"""Tracing: the same rows whoever does the work, and none twice whenever it is stopped."""

import json
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, load
from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import RouteTrace
from octavo.api.llm import LLM
from octavo.collect.facts import Columns
from octavo.collect.sources import find_sources
from octavo.collect.tracing import trace
from octavo.collect.windows import Limits
from octavo.errors import RequestError, TraceError
from tests.collect import processes
from tests.collect.conftest import CONTEXT, job_of, open_llm

Rows = dict[int, tuple[str, list[bytes]]]


def rows_of(folder: Path) -> Rows:
    """Every document by its number: its domain and the bytes of all of its columns."""
    trace = RouteTrace.open(folder)
    assert trace.complete
    found: Rows = {}
    for chunk in trace.chunks(weights=True):
        for place, number in enumerate(chunk.document_S.tolist()):
            held = slice(chunk.start_S1[place], chunk.start_S1[place + 1])
            assert number not in found
            found[number] = chunk.domain, [column.tobytes() for column in columns(chunk, held)]
    return found


def columns(chunk: Chunk, held: slice) -> list[np.ndarray]:
    assert chunk.token_T is not None and chunk.weight_LTK is not None
    by_token = [chunk.position_T, chunk.phase_T, chunk.flag_T, chunk.token_T]
    return [*(column[held] for column in by_token), chunk.expert_LTK[:, held], chunk.weight_LTK[:, held]]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, texts: Path, folder: Path) -> Path:
    """The trace of one process that nobody disturbed."""
    output = tmp_path_factory.mktemp("whole") / "run.route"
    trace(open_llm(folder), job_of(texts, folder), output)
    return output


def test_every_token_of_every_text_is_in_the_trace(whole: Path, texts: Path, llm: LLM) -> None:
    assert llm.tokenizer is not None
    found = RouteTrace.open(whole)
    assert found.domains == ("code", "fable", "french")
    names = [each.name for each in found.documents()]
    home = texts.name
    assert f"{home}/french/a.txt" in names
    assert f"{home}/french/deep/b.txt@{CONTEXT - 1}" in names
    assert {each.source for each in found.documents() if each.domain == "code"} >= {"code.jsonl-0", "code.jsonl-8"}
    counted = 0
    for path in (texts / "fable.test.jsonl", texts / "code.jsonl"):
        counted += sum(
            len(llm.tokenizer.encode(json.loads(line)["text"], add_bos=False)) for line in path.read_text().splitlines()
        )
    for path in (texts / "french" / "a.txt", texts / "french" / "deep" / "b.txt"):
        counted += len(llm.tokenizer.encode(path.read_text(), add_bos=False))
    assert found.num_tokens == counted + len(names)  # a beginning for each document
    assert found.vocabulary()[llm.tokenizer.encode("fox", add_bos=False)[-1]].strip()


def test_the_rows_of_one_text_are_those_of_its_score(whole: Path, texts: Path, llm: LLM) -> None:
    (score,) = llm.score((texts / "french" / "a.txt").read_text(), routing=True)
    found = RouteTrace.open(whole)
    number = next(each.document for each in found.documents() if each.name.endswith("a.txt"))
    for chunk in found.chunks(domains=["french"]):
        for place in np.flatnonzero(chunk.document_S == number):
            held = slice(chunk.start_S1[place], chunk.start_S1[place + 1])
            assert np.array_equal(chunk.expert_LTK[:, held].swapaxes(0, 1), score.routed_experts)  # type: ignore[arg-type]
            return
    raise AssertionError("the text is not in the trace")


@pytest.mark.parametrize("size", [2, 3])
def test_many_processes_write_what_one_does(size: int, whole: Path, texts: Path, folder: Path, tmp_path: Path) -> None:
    output = tmp_path / "run.route"
    assert processes.crew(size, job_of(texts, folder), output) == [0] * size
    assert rows_of(output) == rows_of(whole)
    assert RouteTrace.open(output).documents() == RouteTrace.open(whole).documents()
    assert len(list(output.glob("documents-*.parquet"))) == size
    assert TraceManifest.read(output) == TraceManifest.read(whole)


@pytest.mark.parametrize(
    ("how", "count"),
    [(processes.die_at_document, count) for count in (1, 7, 15)]
    + [(processes.die_inside_a_write, count) for count in (2, 9)],
)
def test_a_run_that_was_killed_goes_on_and_recounts_nothing(
    how: Callable[[int], None], count: int, whole: Path, texts: Path, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "run.route"
    job = job_of(texts, folder)
    assert processes.crew(1, job, output, before=lambda _: how(count)) == [signal.SIGKILL]
    there = {each.name for each in RouteTrace.open(output).documents()} if any(output.glob("domain=*/part*")) else set()
    assert not (there and RouteTrace.open(output).complete)
    done = trace(open_llm(folder), job, output)
    assert rows_of(output) == rows_of(whole)
    assert done.fresh_documents == done.num_documents - len(there)
    again = trace(open_llm(folder), job, output)
    assert (again.fresh_documents, again.fresh_tokens, again.num_tokens) == (0, 0, done.num_tokens)


def test_a_killed_crew_can_be_followed_by_another_size(whole: Path, texts: Path, folder: Path, tmp_path: Path) -> None:
    output, job = tmp_path / "run.route", job_of(texts, folder)

    def kill_second(rank: int) -> None:
        if rank == 1:
            processes.die_at_document(3)

    assert signal.SIGKILL in processes.crew(2, job, output, before=kill_second)
    assert processes.crew(3, job, output) == [0, 0, 0]
    assert rows_of(output) == rows_of(whole)


@pytest.mark.parametrize("size", [1, 2, 3])
def test_counts_alone_are_those_of_the_rows_however_many_count(
    size: int, whole: Path, texts: Path, folder: Path, tmp_path: Path
) -> None:
    output = tmp_path / "counts.route"
    job = job_of(texts, folder, stats_only=True)
    if size == 2:  # stopped on the way, and then taken up again
        assert processes.crew(1, job, output, before=lambda _: processes.die_at_document(9)) == [signal.SIGKILL]
    assert processes.crew(size, job, output) == [0] * size
    counts = load(output)
    wanted = Accumulators.over(RouteTrace.open(whole), contents=counts.contents)
    assert counts.domains == wanted.domains == ("code", "fable", "french")
    for domain, tables in wanted.tables.items():
        for name, table in tables.items():
            found = counts.tables[domain][name]
            # Rows keep weights in 256 steps, counts take them as they come.
            same = found.sum() == table.sum() if name == "weight" else np.array_equal(found, table)
            assert same or name == "confidence", (domain, name)
    assert all(counts.documents[domain] == wanted.documents[domain] for domain in wanted.domains)
    alone = tmp_path / "alone.route"
    trace(open_llm(folder), job, alone)
    for domain, tables in load(alone).tables.items():
        assert all(np.array_equal(counts.tables[domain][name], table) for name, table in tables.items())
    again = trace(open_llm(folder), job, output)
    assert (again.fresh_documents, again.num_documents) == (0, len(RouteTrace.open(whole).documents()))
    assert not list(output.glob("domain=*"))


def test_what_needs_rows_is_not_counted(texts: Path, folder: Path, llm: LLM, tmp_path: Path) -> None:
    with pytest.raises(RequestError, match="--stats-only keeps no rows"):
        trace(llm, job_of(texts, folder, stats_only=True, columns=Columns(nll=True)), tmp_path / "run.route")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"stats_only": True}, "statistics_only is False and True"),
        ({"limits": Limits(context=32)}, "context is 64 and 32"),
        ({"columns": Columns(weights=False)}, "has_weights is True and False"),
        ({"bos": False}, "bos is 'tokenizer' and 'never'"),
        ({"limits": Limits(context=CONTEXT, max_tokens=100)}, "max_tokens is None and 100"),
    ],
)
def test_going_on_with_other_settings_names_the_one_that_differs(
    change: dict[str, object], message: str, whole: Path, texts: Path, folder: Path, llm: LLM
) -> None:
    with pytest.raises(TraceError, match=message):
        trace(llm, job_of(texts, folder, **change), whole)


def test_going_on_with_other_texts_names_the_file(
    whole: Path, texts: Path, folder: Path, llm: LLM, tmp_path: Path
) -> None:
    other = tmp_path / texts.name
    shutil.copytree(texts, other)
    (other / "code.jsonl").write_text('{"text": "something else"}\n')
    with pytest.raises(TraceError, match=r"code\.jsonl has changed"):
        trace(llm, job_of(other, folder), whole)
    (other / "code.jsonl").unlink()
    with pytest.raises(TraceError, match=r"code\.jsonl is missing now"):
        trace(llm, job_of(other, folder), whole)
    with pytest.raises(TraceError, match=r"new\.txt was not there"):
        (other / "code.jsonl").write_bytes((texts / "code.jsonl").read_bytes())
        (other / "new.txt").write_text("new")
        trace(llm, job_of(other, folder), whole)


def test_going_on_with_another_model_is_refused(whole: Path, texts: Path, folder: Path, tmp_path: Path) -> None:
    from octavo.checkpoint import open_folder, save_model
    from octavo.model import Transformer

    other = tmp_path / "model"
    save_model(Transformer(open_folder(folder).config).init_weights(seed=9), other, tokenizer_from=folder)
    with pytest.raises(TraceError, match="model_hash is"):
        trace(open_llm(other), job_of(texts, other), whole)


def test_a_model_without_a_tokenizer_or_room_for_the_context_is_refused(
    texts: Path, folder: Path, llm: LLM, tmp_path: Path
) -> None:
    with pytest.raises(RequestError, match="--context is 65, the model reads 64"):
        trace(llm, job_of(texts, folder, limits=Limits(context=65)), tmp_path / "run.route")
    bare = LLM.of(llm.engine.runner.model)
    with pytest.raises(RequestError, match="no tokenizer"):
        trace(bare, job_of(texts, folder), tmp_path / "run.route")
    assert not (tmp_path / "run.route").exists()


def test_the_domain_can_stand_in_a_field(folder: Path, llm: LLM, tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text("".join(json.dumps({"text": f"The fox {n}", "kind": "xy"[n % 2]}) + "\n" for n in range(6)))
    from octavo.collect.texts import Fields

    job = job_of(path, folder, fields=Fields(domain="kind"))
    done = trace(llm, job, tmp_path / "run.route")
    assert {name: documents for name, (documents, _) in done.held.items()} == {"x": 3, "y": 3}


def test_progress_rises_to_the_end(texts: Path, folder: Path, llm: LLM, tmp_path: Path) -> None:
    told: list[tuple[float, int]] = []
    trace(llm, job_of(texts, folder), tmp_path / "run.route", tell=lambda share, tokens: told.append((share, tokens)))
    assert told == sorted(told)
    assert told[-1][0] == pytest.approx(1.0)
    capped = job_of(texts, folder, limits=Limits(context=CONTEXT, max_tokens=200))
    done = trace(llm, capped, tmp_path / "capped.route")
    assert done.num_tokens == 200


def test_a_folder_of_other_files_is_not_written_into(texts: Path, folder: Path, llm: LLM, tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("mine")
    with pytest.raises(TraceError, match="is no trace"):
        trace(llm, job_of(texts, folder), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["precious.txt"]
    assert find_sources([tmp_path])
