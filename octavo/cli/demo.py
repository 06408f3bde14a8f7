"""``octavo demo``: the embedded model writes in several domains, every token coloured by the expert that read it."""

from typing import Annotated

from typer import Option

from octavo.cli.flags import EMBEDDED, SWITCH, Json, Model, NoColor


def demo(
    model: Model = EMBEDDED,
    *,
    experts: Annotated[
        int | None,
        Option(metavar="LAYER", help="The layer whose experts give the colours; the middle one if left out."),
    ] = None,
    max_tokens: Annotated[int, Option(metavar="N", min=1, help="Most tokens of each text.")] = 56,
    seed: Annotated[int, Option(metavar="N", help="Same seed, same texts.")] = 0,
    report: Annotated[
        bool | None,
        Option(
            "--report/--no-report",
            metavar=SWITCH,
            help="Make the report of 17,000 tokens in 15 domains; if left out, for octavo-mini.",
        ),
    ] = None,
    no_color: NoColor = False,
    json: Json = False,
) -> None:
    """Shows in a few seconds what a sparse mixture of experts does: a novel, code, mathematics and French.

    Every token has the colours of the expert that read it. In the end there is
    a page to open: who reads what, in texts of the package and of Python's own
    library. It is kept, and made anew only if something changed. Needs no
    network.
    """
    from octavo.cli import samples
    from octavo.cli.demo_report import made, say
    from octavo.cli.flags import ModelFlags
    from octavo.cli.models import open_llm
    from octavo.cli.screen import open_screen, print_json

    opened = open_llm(model, ModelFlags(), experts=experts)
    tour = samples.Tour(opened, layer=experts, max_tokens=max_tokens, seed=seed)
    wanted = model == EMBEDDED if report is None else report
    if json:
        told = tour.document()
        path = made(opened) if wanted else None
        print_json({**told, "report": None if path is None else str(path)})
        return
    screen = open_screen(no_color=no_color)
    tour.show(screen)
    if wanted:
        say(made(opened), screen)
