"""``octavo score``: how likely a model finds texts, token by token, and the experts that read them."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import EMBEDDED, SWITCH, Json, ModelFlags, ViewFlags

Files = Annotated[
    list[Path] | None, Argument(metavar="FILE", help="Texts in UTF-8, each scored on its own; - is stdin.")
]
Prompt = Annotated[list[str] | None, Option("--prompt", "-p", metavar="TEXT", help="A text to score. Repeatable.")]
Model = Annotated[str, Option(metavar="MODEL", help="A model folder, a Hub id, or octavo-mini.", envvar="OCTAVO_MODEL")]


def score(
    files: Files = None,
    *,
    prompt: Prompt = None,
    model: Model = EMBEDDED,
    tokens: Annotated[bool, Option("--tokens", metavar=SWITCH, help="Show each token with its logprob.")] = False,
    view: ViewFlags,
    json: Json = False,
    loading: ModelFlags,
) -> None:
    """Scores texts: bits a byte, perplexity, and the log probability of each token given those before it.

    A text longer than the model's context is read in windows that overlap by
    half; each token counts once, in the first window that holds it.
    Perplexity is per token, bits are per byte of UTF-8.
    """
    from octavo.cli import scores
    from octavo.cli.models import open_llm
    from octavo.cli.prompts import read_named
    from octavo.cli.screen import open_screen, print_json

    texts = read_named(prompt, files)
    opened = open_llm(model, loading, experts=view.experts, writes=False)
    found = scores.score_texts(opened.llm, texts, routing=json or view.experts is not None)
    if json:
        print_json(scores.document(opened, found))
    else:
        scores.show(opened.llm, found, screen=open_screen(no_color=view.no_color), layer=view.experts, tokens=tokens)
