"""``octavo stats``: the statistics of a trace, as rows."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from typer import Argument, Option

from octavo.cli.flags import SWITCH, Json, NoColor

By = Literal["domain", "all"]
COUNTED = "What counts"
CHANCE = "Intervals"


@dataclass(frozen=True, slots=True, kw_only=True)
class CountFlags:
    """What of a trace counts."""

    layer: Annotated[
        str | None,
        Option(metavar="LIST", help="Layers, by the model's numbers: 0,15,31 or 0-7.", rich_help_panel=COUNTED),
    ] = None
    domain: Annotated[
        list[str] | None, Option(metavar="NAME", help="Only this domain. Repeatable.", rich_help_panel=COUNTED)
    ] = None
    bos: Annotated[
        bool, Option("--bos", metavar=SWITCH, help="Count the beginning-of-text token too.", rich_help_panel=COUNTED)
    ] = False
    special: Annotated[
        bool, Option("--special", metavar=SWITCH, help="Count other control tokens too.", rich_help_panel=COUNTED)
    ] = False
    across_documents: Annotated[
        bool,
        Option("--across-documents", metavar=SWITCH, help="Count pairs of two documents.", rich_help_panel=COUNTED),
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class IntervalFlags:
    """How intervals are drawn."""

    replicates: Annotated[
        int | None,
        Option(metavar="N", help="Draws of documents; 0 for no intervals. 1000 if left out.", rich_help_panel=CHANCE),
    ] = None
    level: Annotated[float, Option(metavar="P", help="How often an interval holds.", rich_help_panel=CHANCE)] = 0.95
    seed: Annotated[int, Option(metavar="N", help="Same seed, same draws.", rich_help_panel=CHANCE)] = 0


def stats(
    run: Annotated[Path, Argument(metavar="RUN.route", help="A trace, with rows or with counts only.")],
    name: Annotated[str | None, Argument(metavar="NAME", help="A statistic; left out, they are listed.")] = None,
    *,
    against: Annotated[
        Path | None, Option(metavar="OTHER.route", help="The second trace, for what compares two.")
    ] = None,
    by: Annotated[By | None, Option(metavar="WHAT", help="domain: rows for each; all: for all together.")] = None,
    choice: Annotated[
        list[str] | None, Option(metavar="CHOICE", help="first, second, either, exact, order-free. Repeatable.")
    ] = None,
    lag: Annotated[str | None, Option(metavar="LIST", help="Tokens between the two of a pair: 1, or 1,2,8.")] = None,
    measure: Annotated[list[str] | None, Option(metavar="NAME", help="One of several measures. Repeatable.")] = None,
    compat: Annotated[str | None, Option(metavar="WHOSE", help="Count as others did: olmoe, olmoe-code.")] = None,
    option: Annotated[
        list[str] | None, Option(metavar="NAME=VALUE", help="Any option of a statistic, as the list shows. Repeatable.")
    ] = None,
    counting: CountFlags,
    drawing: IntervalFlags,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Computes a statistic of a trace: each figure beside what chance would give, its interval, and what was counted.

    value is the figure; uniform is what even routers would give, marginal
    what independent choices as frequent as those observed would give, shuffle
    what the same tokens in another order would give; lo and hi are the ends
    of the interval, n is how much was counted. Layers have the model's
    numbers; an expert's number means nothing in another layer.
    """
    from octavo.cli import measuring
    from octavo.cli.screen import open_screen, print_json

    sources = [measuring.open_source(path) for path in ([run] if against is None else [run, against])]
    screen = open_screen(no_color=no_color)
    if name is None:
        listed = measuring.listing(sources[0])
        print_json({"run": str(run), "statistics": listed}) if json else measuring.show_listing(screen, listed)
        return
    rows = measuring.measure(
        sources,
        name,
        selection=measuring.selection_of(sources[0], counting),
        intervals=measuring.intervals_of(sources[0], drawing.replicates, drawing.level, drawing.seed),
        seed=drawing.seed,
        flags={"by": by, "choice": choice, "lag": lag, "measure": measure, "compat": compat},
        options=option or [],
    )
    if json:
        print_json(rows)
    else:
        measuring.show(screen, name, rows)
