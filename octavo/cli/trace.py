"""``octavo trace``: texts go through a model, and which experts read each token becomes a trace on the disk."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import EMBEDDED, SWITCH, Json, ModelFlags

_text = functools.partial(Option, rich_help_panel="Texts")
_kept = functools.partial(Option, rich_help_panel="What is kept of each token, beside its experts")

Paths = Annotated[
    list[Path],
    Argument(metavar="PATH...", help="Texts in UTF-8, JSON Lines, folders of them; .xz and .gz too; - is stdin."),
]
Output = Annotated[Path, Option("--output", "-o", metavar="RUN.route", help="The trace to write, or to go on with.")]
Model = Annotated[str, Option(metavar="MODEL", help="A model folder, a Hub id, or octavo-mini.", envvar="OCTAVO_MODEL")]


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFlags:
    """Which texts are read, and how much of them."""

    text_field: Annotated[str, _text(metavar="NAME", help="The field of a JSON line that holds the text.")] = "text"
    domain_field: Annotated[str | None, _text(metavar="NAME", help="The field that holds the domain.")] = None
    domain: Annotated[str | None, _text(metavar="NAME", help="One domain for all documents.")] = None
    max_tokens: Annotated[int | None, _text(metavar="N", help="Most tokens in all, from all domains alike.")] = None
    max_tokens_per_domain: Annotated[int | None, _text(metavar="N", help="Most tokens of each domain.")] = None
    context: Annotated[int | None, _text(metavar="N", help="Most tokens of a document; the model's own.")] = None
    no_bos: Annotated[
        bool, _text("--no-bos", metavar=SWITCH, help="Read bare texts, not begun as the tokenizer begins them.")
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ColumnFlags:
    """What is kept of each token."""

    weights: Annotated[bool, _kept("--weights/--no-weights", metavar=SWITCH, help="How much each expert counted.")] = (
        True
    )
    logits: Annotated[bool, _kept("--logits", metavar=SWITCH, help="The router's logits, and which were ties.")] = False
    nll: Annotated[bool, _kept("--nll", metavar=SWITCH, help="How surprising the next token was.")] = False
    predictions: Annotated[
        bool, _kept("--predictions", metavar=SWITCH, help="The token held likeliest to come next.")
    ] = False
    no_tokens: Annotated[bool, _kept("--no-tokens", metavar=SWITCH, help="No token ids: nobody can read the text.")] = (
        False
    )


def trace(
    paths: Paths,
    *,
    output: Output,
    model: Model = EMBEDDED,
    stats_only: Annotated[
        bool, Option("--stats-only", metavar=SWITCH, help="Keep counts in place of rows: of one size for any text.")
    ] = False,
    overwrite: Annotated[bool, Option("--overwrite", metavar=SWITCH, help="Begin anew where it is there.")] = False,
    texts: TextFlags,
    columns: ColumnFlags,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Traces texts: which experts read each token, in every layer, in rank order.

    A file is a domain: french.test.jsonl.xz is french, notes.txt is notes. In
    a folder each subfolder is one, and so is each file beside them.
    A document longer than the context is cut into documents NAME@0, NAME@N...,
    N tokens of the text apart, each of them read anew.

    The same command goes on with a trace that was stopped, and no document is
    in it twice; with other texts, settings or another model it is an error.
    Several processes write one trace, the same as one process would:
    torchrun --nproc-per-node 4 -m octavo trace PATH... -o RUN.route
    """
    from octavo.cli import tracing
    from octavo.cli.screen import open_screen, print_json
    from octavo.collect.crew import muster
    from octavo.collect.facts import Columns
    from octavo.collect.sources import find_sources
    from octavo.collect.texts import Fields

    kept = Columns(
        tokens=not columns.no_tokens,
        weights=columns.weights,
        logits=columns.logits,
        nll=columns.nll,
        predictions=columns.predictions,
    )
    with muster() as crew:
        wishes = tracing.Wishes(
            sources=find_sources(paths, domain=texts.domain, alone=crew.size == 1),
            fields=Fields(text=texts.text_field, domain=texts.domain_field),
            columns=kept,
            context=texts.context,
            max_tokens=texts.max_tokens,
            max_tokens_per_domain=texts.max_tokens_per_domain,
            bos=not texts.no_bos,
            stats_only=stats_only,
        )
        traced = tracing.run(wishes, model, loading, output=output, overwrite=overwrite, crew=crew)
    if not crew.leads:
        return
    if json:
        print_json(tracing.document(traced))
    else:
        tracing.show(traced, open_screen())
