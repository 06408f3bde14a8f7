"""The command line: one file a command, and here the frame they hang in.

Commands import what they need when they run, so that ``--help`` needs no torch.
"""

import sys
from collections.abc import Callable
from typing import Annotated

import typer

from octavo import __version__
from octavo.cli import (
    bench,
    chat,
    convert,
    demo,
    figure,
    generate,
    import_,
    inspect,
    report,
    run_batch,
    score,
    serve,
    sql,
    stats,
    trace,
    train,
    verify,
)
from octavo.cli.exits import INTERRUPTED, OK, USAGE, complain, drop_output, guarded
from octavo.cli.flags import SWITCH, expand

COMMANDS: tuple[Callable[..., None], ...] = (
    demo.demo,
    generate.generate,
    chat.chat,
    serve.serve,
    run_batch.run_batch,
    score.score,
    inspect.inspect,
    convert.convert,
    verify.verify,
    train.train,
    trace.trace,
    stats.stats,
    sql.sql,
    report.report,
    figure.figure,
    import_.import_,
)

app = typer.Typer(
    name="octavo",
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _command in COMMANDS:
    # A command that is named as a word of Python has an underscore behind its name there.
    app.command(_command.__name__.strip("_").replace("_", "-"))(expand(guarded(_command)))
app.add_typer(bench.app)


def _print_version(wanted: bool) -> None:
    if wanted:
        print(f"octavo {__version__}")
        raise typer.Exit


@app.callback()
def octavo(
    *,
    version: Annotated[
        bool,
        typer.Option("--version", metavar=SWITCH, help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    """Runs, trains and sees into sparse mixture-of-experts language models of the Mixtral kind."""


def main() -> None:
    """Runs the command line of this process and ends it with the exit code that fits."""
    try:
        code = app(prog_name="octavo", standalone_mode=False)
        sys.stdout.flush()
    except BrokenPipeError:
        drop_output()
        code = OK
    except KeyboardInterrupt:
        code = INTERRUPTED
    except typer.TyperException as error:  # a command line that typer cannot read
        code = USAGE
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "octavo"
        message = error.format_message().rstrip(".")
        if message:  # a bare octavo shows its help, and that is all
            complain(f"{message}: see {command} --help")
    sys.exit(code or OK)
