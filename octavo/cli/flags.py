"""The flags that several commands share, each group a frozen dataclass; spelled as vLLM spells them.

A command takes a whole group as one parameter; ``expand`` shows typer one parameter for each of the group's fields.
"""

import dataclasses
import functools
import inspect
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from typer import Argument, Option

EMBEDDED = "octavo-mini"

Dtype = Literal["auto", "float32", "bfloat16", "float16"]

_model = functools.partial(Option, rich_help_panel="Model")
_sampling = functools.partial(Option, rich_help_panel="Sampling")
_shown = functools.partial(Option, rich_help_panel="Output")
SWITCH = " "  # typer would write <bool> beside a flag that takes no value

Model = Annotated[
    str,
    Argument(
        metavar="MODEL",
        help="A model folder, or a Hub id such as mistralai/Mixtral-8x7B-v0.1; octavo-mini is part of the package.",
        envvar="OCTAVO_MODEL",
    ),
]
Json = Annotated[
    bool, _shown("--json", metavar=SWITCH, help="Print everything as one JSON document, and nothing else, on stdout.")
]
NoColor = Annotated[bool, _shown("--no-color", metavar=SWITCH, help="No colours; NO_COLOR=1 does the same.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFlags:
    """How a model is loaded and how much it takes on at once; None leaves the library's own default."""

    dtype: Annotated[
        Dtype, _model(metavar="TYPE", help="float32, bfloat16, float16, or auto: as stored, on a CPU float32.")
    ] = "auto"
    device: Annotated[str, _model(metavar="NAME", help="cpu, cuda, cuda:1, or auto: a GPU where there is one.")] = (
        "auto"
    )
    tokenizer: Annotated[str | None, _model(metavar="FOLDER", help="Tokenizer files, where not the model's own.")] = (
        None
    )
    revision: Annotated[str | None, _model(metavar="NAME", help="Branch, tag or commit of a Hub id.")] = None
    max_model_len: Annotated[int | None, _model(metavar="N", help="Most tokens of prompt and output together.")] = None
    max_num_seqs: Annotated[int | None, _model(metavar="N", help="Most sequences in one step.")] = None
    max_num_batched_tokens: Annotated[int | None, _model(metavar="N", help="Most tokens in one step.")] = None
    batch_invariant: Annotated[
        bool, _model("--batch-invariant", metavar=SWITCH, help="The same bits whatever shares the batch; slower.")
    ] = False
    no_verify: Annotated[bool, _model("--no-verify", metavar=SWITCH, help="Skip the checksums of the weights.")] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SamplingFlags:
    """How tokens are chosen and when to stop."""

    max_tokens: Annotated[int, _sampling(metavar="N", help="Most tokens to generate.")] = 128
    temperature: Annotated[
        float, _sampling(metavar="T", help="0 takes the likeliest token; higher is more varied.")
    ] = 1.0
    top_k: Annotated[int, _sampling(metavar="K", help="Only the K likeliest tokens; 0 is all.")] = 0
    top_p: Annotated[float, _sampling(metavar="P", help="Only the likeliest tokens that together reach P.")] = 1.0
    min_p: Annotated[float, _sampling(metavar="P", help="Only tokens at least P times as likely as the likeliest.")] = (
        0.0
    )
    seed: Annotated[int | None, _sampling(metavar="N", help="Same seed, same text.")] = None
    n: Annotated[int, _sampling("--n", metavar="N", help="Outputs for each prompt.")] = 1
    stop: Annotated[list[str] | None, _sampling(metavar="TEXT", help="End at this text. Repeatable.")] = None
    stop_token_ids: Annotated[list[int] | None, _sampling(metavar="ID", help="End at this token. Repeatable.")] = None
    ignore_eos: Annotated[
        bool, _sampling("--ignore-eos", metavar=SWITCH, help="Go on after the end-of-text token.")
    ] = False
    min_tokens: Annotated[int, _sampling(metavar="N", help="No end before this many tokens.")] = 0
    repetition_penalty: Annotated[
        float, _sampling(metavar="X", help="Above 1: tokens seen before get less likely.")
    ] = 1.0
    presence_penalty: Annotated[float, _sampling(metavar="X", help="Taken from logits of tokens generated before.")] = (
        0.0
    )
    frequency_penalty: Annotated[float, _sampling(metavar="X", help="The same, times how often.")] = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ViewFlags:
    """What is shown of the routing, and how."""

    experts: Annotated[
        int | None,
        _shown(metavar="LAYER", help="Colour each token by the expert that read it, the first choice of this layer."),
    ] = None
    no_color: NoColor = False


def expand(command: Callable[..., None]) -> Callable[..., None]:
    """Returns the command with each parameter that is a group of flags replaced by the group's fields."""
    hints = typing.get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and dataclasses.is_dataclass(hint)}
    parameters: list[inspect.Parameter] = []
    for parameter in inspect.signature(command).parameters.values():
        if parameter.name in groups:
            parameters += _parameters_of(groups[parameter.name])
        else:
            parameters.append(parameter.replace(annotation=hints[parameter.name]))

    @functools.wraps(command)
    def expanded(**values: Any) -> None:
        for name, group in groups.items():
            fields = {field.name: values.pop(field.name) for field in dataclasses.fields(group)}
            values[name] = group(**fields)
        command(**values)

    expanded.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    # typer reads annotations too, and follows __wrapped__ to the originals.
    expanded.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    del expanded.__wrapped__
    return expanded


def _parameters_of(group: type) -> list[inspect.Parameter]:
    """One keyword-only parameter for each field of a group of flags."""
    hints = typing.get_type_hints(group, include_extras=True)
    return [
        inspect.Parameter(
            field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=hints[field.name]
        )
        for field in dataclasses.fields(group)
    ]
