"""``octavo inspect``: what a model is made of and what it costs, from its config.json or params.json alone."""

from typing import Annotated, Literal

from typer import Argument, Option

from octavo.cli.flags import EMBEDDED, Json, NoColor

Name = Annotated[
    str,
    Argument(
        metavar="MODEL",
        help="A folder, its config.json or params.json, a Hub id, octavo-mini, or a published shape: mixtral-8x7b, "
        "mixtral-8x22b, mixtral-8x22b-v0.3, mistral-7b-v0.1, mistral-7b-v0.2, mistral-7b-v0.3.",
    ),
]
Width = Literal["float32", "bfloat16", "float16"]


def inspect(
    model: Name = EMBEDDED,
    *,
    dtype: Annotated[
        Width, Option(metavar="TYPE", help="float32, bfloat16 or float16, for the bytes a token.")
    ] = "bfloat16",
    max_model_len: Annotated[
        int | None,
        Option(metavar="N", min=1, help="Tokens a sequence holds in the cache; the model's own context if left out."),
    ] = None,
    max_num_seqs: Annotated[int, Option(metavar="N", min=1, help="Sequences in the cache at once.")] = 1,
    revision: Annotated[str | None, Option(metavar="NAME", help="Branch, tag or commit of a Hub id.")] = None,
    no_color: NoColor = False,
    json: Json = False,
) -> None:
    """Shows a model's shape, its parameters, bytes and operations by part, and the memory that it needs.

    Weights are not read and need not be there; a published shape such as
    mixtral-8x7b needs no file at all.
    """
    from octavo.cli import anatomy
    from octavo.cli.exits import opening_model
    from octavo.cli.screen import open_screen, print_json

    with opening_model():
        config = anatomy.find_config(model, revision=revision)
    question = anatomy.Question(
        name=model, config=config, dtype=dtype, context=max_model_len or config.context_length, sequences=max_num_seqs
    )
    if json:
        print_json(anatomy.document(question))
    else:
        anatomy.show(question, open_screen(no_color=no_color))
