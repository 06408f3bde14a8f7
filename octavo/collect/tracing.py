"""Tracing: sources go through a model, batch by batch, and their routes into a trace, by one process or by many.

Every process walks the same batches and reads every ``size``-th of them; a document that the trace has already is not
recorded again, so a run that was stopped goes on where it was, with any number of processes.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from octavo.analysis.accumulators import CountsWriter, load
from octavo.analysis.manifest import FILE, TraceManifest
from octavo.analysis.recorder import Recorder
from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter
from octavo.analysis.store.vocabulary import write_words
from octavo.api.llm import LLM
from octavo.collect.crew import Crew
from octavo.collect.facts import Columns, expect_experts, manifest_of
from octavo.collect.reading import read_batch
from octavo.collect.sources import Source
from octavo.collect.texts import Fields, Meter, texts_of
from octavo.collect.windows import Group, Limits, Spelling, Turns, Window
from octavo.errors import RequestError, TraceError

Tell = Callable[[float, int], None]
"""Called with the share of the work that is done, from 0 to 1, and the tokens in the trace so far."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """What is to be traced: which texts, by which model, how much of them, and what is kept of each token."""

    sources: Sequence[Source]
    model: str
    folder: Path
    limits: Limits
    fields: Fields = field(default_factory=Fields)
    columns: Columns = field(default_factory=Columns)
    bos: bool = True
    stats_only: bool = False

    def settings(self) -> dict[str, Any]:
        """What of it the manifest says beside its own fields."""
        return {
            "max_tokens": self.limits.max_tokens,
            "max_tokens_per_domain": self.limits.max_tokens_per_domain,
            "text_field": self.fields.text,
            "domain_field": self.fields.domain,
            "domains": {source.name: source.domain for source in self.sources},
            "inputs": {source.name: source.sha256() for source in self.sources},
        }

    def groups(self, meter: Meter) -> list[Group]:
        """The texts by domain; as one group where the domain stands in a field."""
        if self.fields.domain is not None:
            return [Group(domain=None, texts=_texts(self.sources, self.fields, meter))]
        domains = dict.fromkeys(source.domain for source in self.sources)
        by_domain = {name: [each for each in self.sources if each.domain == name] for name in domains}
        return [Group(domain=name, texts=_texts(held, self.fields, meter)) for name, held in by_domain.items()]


def _texts(sources: Sequence[Source], fields: Fields, meter: Meter) -> Any:
    for source in sources:
        yield from texts_of(source, fields, meter)


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """What a trace holds after a run: documents and tokens by domain, and of both what the run added.

    Counts leave out the tokens that count for nothing, such as the beginning of each document.
    """

    output: Path
    manifest: TraceManifest
    held: dict[str, tuple[int, int]]
    num_bytes: int
    fresh_documents: int
    fresh_tokens: int
    seconds: float

    @property
    def num_tokens(self) -> int:
        """The rows of all documents."""
        return sum(tokens for _, tokens in self.held.values())

    @property
    def num_documents(self) -> int:
        """All documents."""
        return sum(documents for documents, _ in self.held.values())


def trace(
    llm: LLM,
    job: Job,
    output: Path,
    *,
    crew: Crew | None = None,
    tell: Tell | None = None,
    flush_seconds: float = 30.0,
) -> Traced:
    """Traces the job's texts into the folder ``output``, or goes on with what it holds already.

    What was traced is on the disk at most ``flush_seconds`` later. Where the job wants statistics only, the folder gets
    counts in place of rows.

    Raises RequestError for a model without experts or tokenizer, CorpusError for a text that cannot be read, and
    TraceError where ``output`` holds anything else than this very job's trace, or cannot be written.
    """
    crew = crew or Crew()
    manifest = manifest_of_job(llm, job)
    expect_same(output, manifest)
    began, documents, tokens = time.monotonic(), 0, 0
    with open_writer(output, manifest, crew, flush_seconds) as writer:
        if crew.leads and manifest.has_tokens and llm.tokenizer is not None:
            write_words(output, llm.tokenizer.vocabulary.pieces, llm.tokenizer.special_ids)
        recorder = new_recorder(llm, manifest, writer.add)
        for batch, share in walk(llm, job, crew):
            fresh = [window for window in batch if not has(writer, window)]
            if fresh:
                for window in read_batch(llm, batch, recorder, kept={each.number for each in fresh}):
                    documents, tokens = documents + 1, tokens + len(window.token_ids)
            if tell is not None:
                tell(share, tokens)
    seconds = time.monotonic() - began
    added = crew.gather((documents, tokens))
    return Traced(
        output=output,
        manifest=manifest,
        fresh_documents=sum(each[0] for each in added),
        fresh_tokens=sum(each[1] for each in added),
        seconds=seconds,
        held=_held(output),
        num_bytes=sum(path.stat().st_size for path in output.rglob("*") if path.is_file()),
    )


def open_writer(output: Path, manifest: TraceManifest, crew: Crew, flush_seconds: float) -> TraceWriter | CountsWriter:
    """The folder as this process writes it: the leader makes it, and nobody adds to it before all have looked."""
    if not crew.leads:
        crew.wait()
    writer: TraceWriter | CountsWriter
    if manifest.statistics_only:
        writer = CountsWriter(output, manifest, rank=crew.rank, flush_seconds=flush_seconds)
    else:
        writer = TraceWriter(output, manifest, rank=crew.rank, num_ranks=crew.size, flush_seconds=flush_seconds)
    if crew.leads:
        crew.wait()
    crew.wait()
    return writer


def has(writer: TraceWriter | CountsWriter, window: Window) -> bool:
    """Whether a window was traced before; counts know it by its number, rows by its name."""
    if isinstance(writer, CountsWriter):
        return writer.has(window.domain, window.number)
    return writer.has(window.domain, window.name)


def manifest_of_job(llm: LLM, job: Job) -> TraceManifest:
    """What the trace of a job says of itself; raises RequestError for a model that cannot do it."""
    expect_experts(llm, job.model)
    if llm.tokenizer is None:
        raise RequestError(f"{job.model} has no tokenizer: name a folder that has one with --tokenizer")
    if job.stats_only and (job.columns.nll or job.columns.predictions):
        raise RequestError("--stats-only keeps no rows, so none can have --nll or --predictions: leave one out")
    if job.limits.context > llm.max_model_len:
        raise RequestError(
            f"--context is {job.limits.context}, the model reads {llm.max_model_len} tokens: lower it, "
            "or raise --max-model-len"
        )
    return manifest_of(
        llm,
        model=job.model,
        folder=job.folder,
        columns=job.columns,
        limits=job.limits,
        bos=job.bos,
        settings=job.settings(),
        statistics_only=job.stats_only,
    )


def expect_same(output: Path, manifest: TraceManifest) -> None:
    """Raises TraceError, naming what differs, where ``output`` holds the trace of another job."""
    if not (output / FILE).exists():
        return
    there = TraceManifest.read(output)
    before, now = there.settings.get("inputs", {}), manifest.settings["inputs"]
    for name in sorted({*before, *now}):
        if before.get(name) != now.get(name):
            how = "was not there" if name not in before else "is missing now" if name not in now else "has changed"
            raise TraceError(
                f"{output} was begun with other texts: {name} {how}; put it back, or begin anew with --overwrite"
            )
    if difference := there.contradiction(manifest):
        raise TraceError(f"{output} was begun otherwise: {difference}; put it back, or begin anew with --overwrite")


def new_recorder(llm: LLM, manifest: TraceManifest, add: Callable[[DocumentRoutes], object]) -> Recorder:
    """A recorder that knows the control tokens of the model's tokenizer."""
    assert llm.tokenizer is not None
    return Recorder(manifest, add, special_ids=llm.tokenizer.special_ids, bos_id=llm.tokenizer.bos_id)


def walk(llm: LLM, job: Job, crew: Crew) -> Iterator[tuple[tuple[Window, ...], float]]:
    """This process's batches, each with the share of all texts that was gone through before it."""
    assert llm.tokenizer is not None
    spelling = Spelling(llm.tokenizer, context=job.limits.context, bos=job.bos)
    meter, engine = Meter(), llm.engine.config
    turns = Turns(job.groups(meter), spelling, job.limits)
    total = max(1, sum(source.num_bytes for source in job.sources))
    batches = turns.batches(batch_tokens=engine.max_num_batched_tokens, batch_windows=engine.max_num_seqs)
    for place, batch in enumerate(batches):
        if crew.takes(place):
            yield batch, max(meter.num_bytes / total, turns.share)


def _held(output: Path) -> dict[str, tuple[int, int]]:
    """The documents and tokens of each domain of a trace."""
    if TraceManifest.read(output).statistics_only:
        counts = load(output)
        sizes = {domain: int(counts.table("tokens", (domain,))) for domain in counts.domains}
        return {domain: (len(counts.documents[domain]), sizes[domain]) for domain in counts.domains}
    held: dict[str, tuple[int, int]] = {}
    for each in RouteTrace.open(output).documents():
        documents, tokens = held.get(each.domain, (0, 0))
        held[each.domain] = documents + 1, tokens + each.num_tokens
    return dict(sorted(held.items()))
