"""A trace being made, as a person follows it: the bar, the domains, and what to do with it then."""

import shutil
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from octavo.analysis.manifest import FILE
from octavo.api.opening import find_model
from octavo.cli.escaping import escape_line
from octavo.cli.exits import complain
from octavo.cli.flags import ModelFlags
from octavo.cli.models import open_llm
from octavo.cli.progress import token_bar
from octavo.cli.screen import Screen, figures
from octavo.cli.sizes import short
from octavo.collect.crew import Crew
from octavo.collect.facts import Columns
from octavo.collect.sources import Source
from octavo.collect.texts import Fields
from octavo.collect.tracing import Job, Traced, trace
from octavo.collect.windows import Limits
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Wishes:
    """What the command line asks for; ``context`` None is the model's own."""

    sources: Sequence[Source]
    fields: Fields
    columns: Columns
    context: int | None
    max_tokens: int | None
    max_tokens_per_domain: int | None
    bos: bool
    stats_only: bool = False

    def limits(self, context: int) -> Limits:
        """The limits, with ``context`` where none was asked for."""
        most = context if self.context is None else self.context
        return Limits(context=most, max_tokens=self.max_tokens, max_tokens_per_domain=self.max_tokens_per_domain)


def run(wishes: Wishes, model: str, loading: ModelFlags, *, output: Path, overwrite: bool, crew: Crew) -> Traced:
    """Opens the model and traces; raises what ``octavo.collect.tracing.trace`` does."""
    wishes.limits(2)  # a wrong flag is told before a large model is loaded
    _make_room(output, overwrite=overwrite, crew=crew)
    llm = open_llm(model, on_own_gpu(loading, crew)).llm
    # The token that the model would say last takes a place too.
    longest = llm.max_model_len - (1 if wishes.columns.predictions else 0)
    job = Job(
        sources=wishes.sources,
        model=model,
        folder=find_model(model, revision=loading.revision),
        limits=wishes.limits(longest),
        fields=wishes.fields,
        columns=wishes.columns,
        bos=wishes.bos,
        stats_only=wishes.stats_only,
    )
    if not crew.leads:
        return trace(llm, job, output, crew=crew)
    try:
        with token_bar(f"tracing with {model}") as tell:
            return trace(llm, job, output, crew=crew, tell=tell)
    except KeyboardInterrupt:
        complain(f"interrupted: what was traced is in {output}, the same command goes on from there")
        raise


def on_own_gpu(loading: ModelFlags, crew: Crew) -> ModelFlags:
    """The flags with a GPU for each process of a machine, where they name none."""
    if crew.size == 1 or loading.device != "auto" or not torch.cuda.is_available():
        return loading
    return replace(loading, device=f"cuda:{crew.place_on_machine % torch.cuda.device_count()}")


def _make_room(output: Path, *, overwrite: bool, crew: Crew) -> None:
    """Says at once that ``output`` is no trace; removes one that is to be made anew."""
    held = output.exists() and (not output.is_dir() or any(output.iterdir()))
    if held and not (output / FILE).exists() and not (output.is_dir() and any(output.glob(".writing-*"))):
        raise TraceError(f"{output} is there and is no trace: give the name of a new folder, such as RUN.route")
    crew.wait()
    if held and overwrite and crew.leads:
        shutil.rmtree(output)
    crew.wait()


def show(traced: Traced, screen: Screen) -> None:
    """Writes what the trace holds by domain, and the ways on."""
    table = figures("domain", "documents", "tokens")
    for domain, (documents, tokens) in traced.held.items():
        table.add_row(escape_line(domain), f"{documents:,}", f"{tokens:,}")
    table.add_section()
    table.add_row("all", f"{traced.num_documents:,}", f"{traced.num_tokens:,}", style="bold")
    screen.show(table)
    path = escape_line(str(traced.output))
    speed = f", {traced.fresh_tokens / traced.seconds:,.0f} tokens a second" if traced.fresh_tokens else ""
    before = traced.num_documents - traced.fresh_documents
    kept = f" ({before:,} documents were there before)" if before else ""
    each = f"{traced.num_bytes / traced.num_tokens:.1f} bytes a token"
    size = f"counts, {short(traced.num_bytes, 'B')}" if traced.manifest.statistics_only else each
    screen.write(f"{path}: {size}{speed}{kept}\n")
    screen.write(f"\nTry next\n  octavo report {path} -o report.html\n  octavo stats {path} repetition\n")


def document(traced: Traced) -> dict[str, Any]:
    """The same as one document for programs."""
    domains = {name: {"documents": count, "tokens": tokens} for name, (count, tokens) in traced.held.items()}
    return {
        "output": str(traced.output),
        "tokens": traced.num_tokens,
        "documents": traced.num_documents,
        "domains": domains,
        "fresh_tokens": traced.fresh_tokens,
        "fresh_documents": traced.fresh_documents,
        "seconds": traced.seconds,
        "bytes": traced.num_bytes,
        "manifest": traced.manifest,
    }
