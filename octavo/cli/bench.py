"""``octavo bench``: the engine's commands, and ``serve``: how much a server takes, and how long its callers wait."""

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import typer
from typer import Option

from octavo.cli import engine_bench
from octavo.cli.exits import guarded
from octavo.cli.flags import SWITCH, Json, NoColor, expand

_target = functools.partial(Option, rich_help_panel="Server")
_load = functools.partial(Option, rich_help_panel="Load")
_result = functools.partial(Option, rich_help_panel="Result")

Backend = Literal["openai", "openai-chat"]
Dataset = Literal["random", "corpus", "custom"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetFlags:
    """Which server is measured, and how it is asked."""

    base_url: Annotated[
        str, _target("--base-url", "--url", metavar="URL", help="The server; its key is in OCTAVO_API_KEY.")
    ] = "http://127.0.0.1:8000"
    backend: Annotated[Backend, _target(metavar="NAME", help="openai: completions; openai-chat: chats.")] = "openai"
    model: Annotated[str | None, _target(metavar="NAME", help="The server's first, if none is given.")] = None
    ignore_eos: Annotated[bool, _target("--ignore-eos", metavar=SWITCH, help="Ask for outputs of full length.")] = False
    temperature: Annotated[float, _target(metavar="T", help="0 takes the likeliest token.")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LoadFlags:
    """What arrives, and when."""

    request_rate: Annotated[
        str, _load(metavar="R,...", help="Requests a second, inf for all at once; several are measured in turn.")
    ] = "inf"
    burstiness: Annotated[float, _load(metavar="X", help="1 is a Poisson process; less comes in bursts.")] = 1.0
    max_concurrency: Annotated[int | None, _load(metavar="N", help="Most requests under way at once.")] = None
    num_prompts: Annotated[int, _load(metavar="N", help="Requests at each rate.")] = 1000
    num_warmups: Annotated[int, _load(metavar="N", help="Requests before the clock starts.")] = 0
    dataset_name: Annotated[
        Dataset, _load(metavar="NAME", help="random tokens (words for chats), corpus, or custom.")
    ] = "random"
    dataset_path: Annotated[
        Path | None,
        _load(metavar="PATH", help='Texts for corpus (our own, if none), {"prompt": ...} lines for custom.'),
    ] = None
    random_input_len: Annotated[int, _load(metavar="N", help="Tokens of a prompt.")] = 1024
    random_output_len: Annotated[int, _load(metavar="N", help="Most tokens of an output.")] = 128
    random_range_ratio: Annotated[float, _load(metavar="R", help="Lengths vary by this share, up and down.")] = 0.0
    seed: Annotated[int, _load(metavar="N", help="Same seed, same prompts and arrivals.")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFlags:
    """What is told of it, and where it is kept."""

    percentile_metrics: Annotated[
        str, _result(metavar="NAME,...", help="What the table shows: ttft, tpot, itl, e2el.")
    ] = "ttft,tpot,itl,e2el"
    metric_percentiles: Annotated[str, _result(metavar="P,...", help="Percentiles besides the median.")] = "99"
    goodput: Annotated[
        list[str] | None, _result(metavar="NAME:MS", help="A good request is within this. Repeatable.")
    ] = None
    save_result: Annotated[bool, _result("--save-result", metavar=SWITCH, help="Write the figures to a file.")] = False
    save_detailed: Annotated[
        bool, _result("--save-detailed", metavar=SWITCH, help="With every request's own times and text.")
    ] = False
    result_dir: Annotated[Path | None, _result(metavar="FOLDER", help="Where the file goes.")] = None
    result_filename: Annotated[str | None, _result(metavar="NAME", help="What it is called; this alone saves it.")] = (
        None
    )
    metadata: Annotated[list[str] | None, _result(metavar="KEY=VALUE", help="Kept with them. Repeatable.")] = None


def serve(
    *, target: TargetFlags, load: LoadFlags, result: ResultFlags, no_color: NoColor = False, json: Json = False
) -> None:
    """Measures a server under one rate of requests after another.

    octavo bench serve --request-rate 1,2,4,inf --num-prompts 100

    Flags and figures are called as vllm bench serve calls them: one rate makes
    one JSON object of them, several a list. The time of a request counts from
    when it is sent, not from when --max-concurrency made it wait.
    """
    from octavo.cli import rates

    rates.measure(target, load, result, no_color=no_color, as_json=json)


app = typer.Typer(
    name="bench",
    help="Measures the engine beside its device's limits, and a server as its callers see it.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command("serve")(expand(guarded(serve)))
for _command in engine_bench.COMMANDS:
    app.command(_command.__name__)(expand(guarded(_command)))


@app.callback()
def bench() -> None:
    """Measures the engine beside its device's limits, and a server as its callers see it."""
