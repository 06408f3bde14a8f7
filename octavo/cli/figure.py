"""``octavo figure``: a figure of a trace on paper: PNG, SVG, PDF, CSV, JSON or a LaTeX table."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import Json, NoColor
from octavo.cli.stats import CountFlags, IntervalFlags


def figure(
    run: Annotated[Path, Argument(metavar="RUN.route", help="A trace, with rows or with counts only.")],
    name: Annotated[str | None, Argument(metavar="NAME", help="A figure; left out, they are listed.")] = None,
    *,
    output: Annotated[
        Path | None,
        Option("--output", "-o", metavar="FILE", help="Where to; its ending says what: png svg pdf csv json tex."),
    ] = None,
    tokens: Annotated[int, Option(metavar="N", min=1, help="Tokens of each text, for coloured text.")] = 130,
    document: Annotated[
        str | None, Option(metavar="NAME", help="Which document, for coloured text; the first if left out.")
    ] = None,
    counting: CountFlags,
    drawing: IntervalFlags,
    json: Json = False,
    no_color: NoColor = False,
) -> None:
    """Draws a figure of a trace, its chances and intervals with it, and says below what was counted.

    The same trace gives the same bytes. figure-7 to figure-10 and table-5 are
    those of the Mixtral paper, at its layers (first, middle, last) unless
    --layer names others. Without -o the figure's table is printed.
    """
    from octavo.analysis.figures.catalogue import FIGURES, Wish
    from octavo.analysis.figures.catalogue import figure as make
    from octavo.analysis.figures.tables import aligned
    from octavo.cli import measuring
    from octavo.cli.escaping import escape, escape_line
    from octavo.cli.screen import open_screen, print_json

    source, screen = measuring.open_source(run), open_screen(no_color=no_color)
    if name is None:
        listed = [{"name": each, "meaning": kind.meaning} for each, kind in FIGURES.items()]
        if json:
            print_json({"run": str(run), "figures": listed})
        else:
            screen.write("".join(f"{each['name']:<12} {each['meaning']}\n" for each in listed))
        return
    wish = Wish(
        selection=measuring.selection_of(source, counting),
        intervals=measuring.intervals_of(source, drawing.replicates, drawing.level, drawing.seed),
        tokens=tokens,
        document=document,
    )
    made = make(source, name, wish)
    if output is not None:
        made.save(output)
    if json:
        print_json({"figure": name, "title": made.title, "caption": made.caption, "rows": list(made.rows)})
    elif output is not None:
        screen.write(f"{escape_line(str(output))}: {made.title}\n")
    else:
        screen.write(escape(f"{made.title}\n\n{aligned(made.cells())}\n{made.caption}\n"))
