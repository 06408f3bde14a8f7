"""``octavo bench decode|prefill|throughput|layer|telemetry|startup``: the engine beside what its device can."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Option

from octavo.cli.flags import EMBEDDED, SWITCH, Dtype, Json, NoColor

_subject = functools.partial(Option, rich_help_panel="What is measured")
_work = functools.partial(Option, rich_help_panel="At which work")
_kept = functools.partial(Option, rich_help_panel="Output")

OnOff = Literal["on", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SubjectFlags:
    """Which model on which device."""

    shape: Annotated[
        str,
        _subject(
            metavar="NAME",
            help="mixtral-8x7b, mixtral-8x22b, mistral-7b, mini or another published shape, or a folder.",
        ),
    ] = EMBEDDED
    random_weights: Annotated[
        bool,
        _subject("--random-weights", metavar=SWITCH, help="N(0, 0.02), made on the device: for speed, never quality."),
    ] = False
    dtype: Annotated[
        Dtype, _subject(metavar="TYPE", help="auto is the stored one or bfloat16 on a GPU, on a CPU float32.")
    ] = "auto"
    device: Annotated[str, _subject(metavar="NAME", help="cpu, cuda, cuda:1, or auto: a GPU where there is one.")] = (
        "auto"
    )
    seed: Annotated[int, _subject(metavar="N", help="Same seed, same weights and tokens.")] = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResultFlags:
    """What is shown and kept of it."""

    output: Annotated[
        Path | None, _kept("--output", "-o", metavar="FILE", help="Keep the rows, with all that they depend on.")
    ] = None
    no_color: NoColor = False
    json: Json = False


Batches = Annotated[
    str, _work("--batch", metavar="N,...", help="Sequences at once; every context is measured at each.")
]
Contexts = Annotated[str, _work("--context", metavar="N,...", help="Positions of a sequence, or tokens of a prompt.")]
Steps = Annotated[int, _work(min=1, metavar="N", help="Steps, or repeats, that are timed.")]
Recorded = Annotated[OnOff, _work("--telemetry", metavar="on|off", help="Record experts and weights of every token.")]
StepTokens = Annotated[int, _work("--max-num-batched-tokens", min=1, metavar="N", help="Most tokens in one step.")]


def decode(
    *,
    subject: SubjectFlags,
    batch: Batches = "1,8",
    context: Contexts = "512",
    steps: Steps = 64,
    telemetry: Recorded = "on",
    result: ResultFlags,
) -> None:
    """Measures decoding: whole steps of the engine, scheduler, sampling and telemetry included.

    octavo bench decode --shape mixtral-8x7b --random-weights --batch 1,8,64,256

    Each figure stands beside the least that its device could take: bytes of
    the experts that were touched, of all else and of the cache, at the
    bandwidth that the same run measured. Logits are checked first against
    float32; what is not right is not timed. Contexts are random keys and
    values.
    """
    from octavo.cli import engine_figures

    asked = engine_figures.Asked(batch=batch, context=context, steps=steps, telemetry=telemetry)
    engine_figures.measure("decode", subject, asked, result)


def prefill(
    *,
    subject: SubjectFlags,
    batch: Batches = "1,8",
    context: Contexts = "1024",
    steps: Steps = 9,
    telemetry: Recorded = "on",
    max_num_batched_tokens: StepTokens = 2048,
    result: ResultFlags,
) -> None:
    """Measures the reading of prompts, from nothing to the first token of the last of them.

    octavo bench prefill --shape mixtral-8x7b --random-weights --context 2048
    """
    from octavo.cli import engine_figures

    asked = engine_figures.Asked(
        batch=batch, context=context, steps=steps, telemetry=telemetry, max_num_batched_tokens=max_num_batched_tokens
    )
    engine_figures.measure("prefill", subject, asked, result)


def throughput(
    *,
    subject: SubjectFlags,
    batch: Batches = "64",
    context: Contexts = "512",
    steps: Steps = 64,
    telemetry: Recorded = "on",
    max_num_batched_tokens: StepTokens = 2048,
    result: ResultFlags,
) -> None:
    """Measures a pile of requests at once: prompts of half to one and a half times the context, so many tokens each.

    Tokens a second are those that were written, over all the time.
    """
    from octavo.cli import engine_figures

    asked = engine_figures.Asked(
        batch=batch, context=context, steps=steps, telemetry=telemetry, max_num_batched_tokens=max_num_batched_tokens
    )
    engine_figures.measure("throughput", subject, asked, result)


def layer(*, subject: SubjectFlags, batch: Batches = "1,8,64,256", steps: Steps = 64, result: ResultFlags) -> None:
    """Measures one layer of experts, with its norm and router, on so many tokens; weights are always random.

    octavo bench layer --shape mixtral-8x7b --batch 1,8,64,256,2048,16384
    """
    from octavo.cli import engine_figures

    asked = engine_figures.Asked(batch=batch, context="1", steps=steps, telemetry="off")
    engine_figures.measure("layer", subject, asked, result)


def telemetry(
    *,
    subject: SubjectFlags,
    batch: Batches = "1",
    context: Contexts = "512",
    steps: Steps = 200,
    result: ResultFlags,
) -> None:
    """Measures what it costs to record experts and weights of every token: steps with and without, in turns.

    Shows the median of the paired ratios and its 95 % interval.
    """
    from octavo.cli import engine_figures

    asked = engine_figures.Asked(batch=batch, context=context, steps=steps, telemetry="on")
    engine_figures.measure_telemetry(subject, asked, result)


def startup(
    *,
    subject: SubjectFlags,
    repeats: Annotated[int, _work(min=1, metavar="N", help="Starts of each kind.")] = 3,
    result: ResultFlags,
) -> None:
    """Measures the time from a process's start to its first token, with a cold and with a warm cache of kernels."""
    from octavo.cli import engine_figures

    engine_figures.measure_startup(subject, repeats, result)


COMMANDS: tuple[Callable[..., None], ...] = (decode, prefill, throughput, layer, telemetry, startup)
