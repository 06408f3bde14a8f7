"""``octavo train``: a recipe and a corpus in, a model folder with its curves out."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import SWITCH, Json

Corpus = Annotated[
    Path | None,
    Option(metavar="FOLDER", help="Texts: DOMAIN.SPLIT.jsonl.xz files, one document a line.", envvar="OCTAVO_CORPUS"),
]
Output = Annotated[
    Path | None, Option(metavar="FOLDER", help="Checkpoints, metrics.jsonl, the model; runs/RECIPE if left out.")
]
Number = Annotated[int | None, Option(metavar="N", help="In place of the recipe's own.")]
Rate = Annotated[float | None, Option(metavar="X", help="In place of the recipe's own.")]


def train(
    recipe: Annotated[Path, Argument(metavar="RECIPE.py", help="A Python file whose recipe() returns a TrainConfig.")],
    *,
    corpus: Corpus = None,
    output: Output = None,
    resume: Annotated[
        bool, Option("--resume", metavar=SWITCH, help="Go on from the newest checkpoint of the output.")
    ] = False,
    device: Annotated[
        str, Option(metavar="NAME", help="cpu, cuda, cuda:1, or auto: a GPU where there is one.")
    ] = "auto",
    workers: Annotated[int, Option(metavar="N", min=1, help="Processes that tokenise the corpus.")] = 1,
    tensorboard: Annotated[
        bool, Option("--tensorboard", metavar=SWITCH, help="Draw curves for TensorBoard too.")
    ] = False,
    trace: Annotated[
        Path | None, Option(metavar="RUN.route", help="Record which experts read each token into this trace.")
    ] = None,
    trace_every: Annotated[int, Option(metavar="N", min=1, help="Record the last forward of every Nth step.")] = 100,
    steps: Annotated[
        int | None, Option(metavar="N", min=1, help="Steps in all, in place of the recipe's tokens.")
    ] = None,
    batch_tokens: Number = None,
    seed: Number = None,
    learning_rate: Rate = None,
    validate_every: Number = None,
    checkpoint_every: Number = None,
    report_every: Number = None,
    json: Json = False,
) -> None:
    """Trains a model: progress on stderr, curves in metrics.jsonl, checkpoints that --resume goes on from.

    The recipe is run as Python: use only recipes that you trust. Ctrl-C ends
    the run; --resume does again what was done since the newest checkpoint.
    """
    from octavo.cli import training_run
    from octavo.cli.screen import open_screen, print_json
    from octavo.errors import RequestError
    from octavo.training.config import load_recipe

    if corpus is None:
        raise RequestError("no corpus: name its folder with --corpus, or in OCTAVO_CORPUS")
    changes = {
        "batch_tokens": batch_tokens,
        "seed": seed,
        "learning_rate": learning_rate,
        "validate_every": validate_every,
        "checkpoint_every": checkpoint_every,
        "report_every": report_every,
    }
    config = training_run.changed(load_recipe(recipe), steps=steps, **changes)
    place = training_run.Place(corpus=corpus, output=output or Path("runs", recipe.stem), device=device)
    with training_run.recording(config, trace, every=trace_every, resume=resume) as on_forward:
        finished = training_run.run(
            config, place, resume=resume, workers=workers, draw_curves=tensorboard, on_forward=on_forward
        )
    if json:
        print_json(finished.document())
    else:
        finished.show(open_screen())
