"""``octavo generate``: prompts in, text out as it appears, and the experts that read it."""

from pathlib import Path
from typing import Annotated

from typer import Option

from octavo.cli.flags import EMBEDDED, SWITCH, Json, Model, ModelFlags, SamplingFlags, ViewFlags

Prompt = Annotated[
    list[str] | None, Option("--prompt", "-p", metavar="TEXT", help="What to go on from; - reads stdin. Repeatable.")
]
PromptFile = Annotated[
    list[Path] | None,
    Option(metavar="FILE", help="A prompt in a file, without its last line break. Repeatable."),
]
Logprobs = Annotated[
    int | None,
    Option(metavar="M", help="Show each token's log probability and the M likeliest in its place."),
]


def generate(
    model: Model = EMBEDDED,
    *,
    prompt: Prompt = None,
    prompt_file: PromptFile = None,
    echo: Annotated[bool, Option("--echo", metavar=" ", help="Print the prompt before its text.")] = False,
    logprobs: Logprobs = None,
    sampling: SamplingFlags,
    view: ViewFlags,
    verbose: Annotated[
        bool, Option("--verbose", metavar=SWITCH, help="Tell on stderr what is taken of the device's memory.")
    ] = False,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Completes prompts and writes the text as it appears.

    octavo generate -p "Once upon a time" --experts 3

    colours each token by the expert that read it; without colours (NO_COLOR,
    a pipe, a file) the number of the expert stands behind each token.
    """
    from octavo.cli import completions
    from octavo.cli.models import open_llm, sampling_params
    from octavo.cli.prompts import read_prompts
    from octavo.cli.screen import open_screen, print_json

    prompts = read_prompts(prompt, prompt_file)
    params = sampling_params(sampling, logprobs=logprobs, routing=view.experts is not None)
    opened = open_llm(model, loading, experts=view.experts, verbose=verbose)
    if json:
        print_json(completions.document(opened, prompts, params))
        return
    shown = completions.Shown(echo=echo, experts=view.experts, logprobs=logprobs is not None)
    completions.write(opened, prompts, params, screen=open_screen(no_color=view.no_color), shown=shown)
