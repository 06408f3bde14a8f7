"""``octavo trace``: texts go through a model, and which experts read each token becomes a trace on the disk."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import EMBEDDED, SWITCH, Json, ModelFlags

Paths = Annotated[
    list[Path],
    Argument(metavar="PATH...", help="Texts in UTF-8, JSON Lines, folders of them; .xz and .gz too; - is stdin."),
]
Output = Annotated[Path, Option("--output", "-o", metavar="RUN.route", help="The trace to write, or to go on with.")]
Model = Annotated[str, Option(metavar="MODEL", help="A model folder, a Hub id, or octavo-mini.", envvar="OCTAVO_MODEL")]
Most = Annotated[int | None, Option(metavar="N", help="Most tokens in all; domains take turns until then.")]
MostEach = Annotated[int | None, Option(metavar="N", help="Most tokens of each domain.")]
Context = Annotated[
    int | None,
    Option(metavar="N", help="Most tokens of one document; longer ones are cut. The model's own if left out."),
]
TextField = Annotated[str, Option(metavar="NAME", help="The field of a JSON line that holds the text.")]
DomainField = Annotated[str | None, Option(metavar="NAME", help="The field of a JSON line that holds the domain.")]
Domain = Annotated[str | None, Option(metavar="NAME", help="One domain for all documents.")]


def trace(
    paths: Paths,
    *,
    output: Output,
    model: Model = EMBEDDED,
    text_field: TextField = "text",
    domain_field: DomainField = None,
    domain: Domain = None,
    max_tokens: Most = None,
    max_tokens_per_domain: MostEach = None,
    context: Context = None,
    bos: Annotated[
        bool, Option("--bos/--no-bos", help="Begin each document as the tokenizer begins a text, or bare.")
    ] = True,
    weights: Annotated[bool, Option("--weights/--no-weights", help="Keep the weights of the experts.")] = True,
    logits: Annotated[
        bool, Option("--logits", metavar=SWITCH, help="Keep the router's logits, and flag ties.")
    ] = False,
    nll: Annotated[bool, Option("--nll", metavar=SWITCH, help="Keep how surprising the next token was.")] = False,
    predictions: Annotated[
        bool, Option("--predictions", metavar=SWITCH, help="Keep the token that the model held likeliest to come next.")
    ] = False,
    no_tokens: Annotated[
        bool, Option("--no-tokens", metavar=SWITCH, help="Keep no token ids: routes and domains only.")
    ] = False,
    overwrite: Annotated[
        bool, Option("--overwrite", metavar=SWITCH, help="Begin anew where RUN.route is there.")
    ] = False,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Traces texts: which experts read each token, in every layer, in rank order.

    A file is a domain: french.test.jsonl.xz is french, notes.txt is notes. In
    a folder each subfolder is one, and so is each file beside them;
    --domain-field takes it from the line, --domain gives one to all.
    A document longer than the context is cut into documents NAME@0, NAME@N...,
    N tokens of the text apart, each of them read anew.

    The same command goes on with a trace that was stopped, and no document is
    in it twice; other texts, settings or another model are an error.
    Several processes share the work and write one trace:
    torchrun --nproc-per-node 4 -m octavo trace PATH... -o RUN.route
    """
    from octavo.cli import tracing
    from octavo.cli.screen import open_screen, print_json
    from octavo.collect.crew import muster
    from octavo.collect.facts import Columns
    from octavo.collect.sources import find_sources
    from octavo.collect.texts import Fields

    with muster() as crew:
        wishes = tracing.Wishes(
            sources=find_sources(paths, domain=domain, alone=crew.size == 1),
            fields=Fields(text=text_field, domain=domain_field),
            columns=Columns(tokens=not no_tokens, weights=weights, logits=logits, nll=nll, predictions=predictions),
            context=context,
            max_tokens=max_tokens,
            max_tokens_per_domain=max_tokens_per_domain,
            bos=bos,
        )
        traced = tracing.run(wishes, model, loading, output=output, overwrite=overwrite, crew=crew)
        if not crew.leads:
            return
        if json:
            print_json(tracing.document(traced))
        else:
            tracing.show(traced, open_screen())
