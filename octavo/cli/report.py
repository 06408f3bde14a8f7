"""``octavo report``: one page with all figures of a trace, which opens from the disk and makes no request."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option

from octavo.cli.flags import SWITCH, Json

Runs = Annotated[
    list[Path], Argument(metavar="RUN...", help="Traces, as 'octavo trace' writes them; several are compared.")
]
Output = Annotated[Path, Option("--output", "-o", metavar="FILE", help="The page to write.")]


def report(
    runs: Runs,
    *,
    output: Output = Path("report.html"),
    title: Annotated[
        str | None, Option(metavar="TEXT", help="The page's heading; the runs' names if left out.")
    ] = None,
    replicates: Annotated[int, Option(metavar="N", help="How often documents are drawn anew for an interval.")] = 200,
    seed: Annotated[int, Option(metavar="N", help="Same seed, same intervals.")] = 0,
    bos: Annotated[bool, Option("--bos", metavar=SWITCH, help="Count the beginning-of-text token too.")] = False,
    special: Annotated[bool, Option("--special", metavar=SWITCH, help="Count all control tokens.")] = False,
    json: Json = False,
) -> None:
    """Writes a page on who reads what: one HTML file, with its data, that loads nothing.

    Coloured text with a slider over the layers, tokens by layers, shares by
    domain and expert, repetition beside what chance gives, distances of
    domains, cards of experts with their tokens, transitions, load. Every
    figure offers its data and the command that gives the same numbers.
    """
    from octavo.analysis.accumulators import Accumulators
    from octavo.analysis.report import open_told, write_report
    from octavo.analysis.selection import Selection
    from octavo.analysis.statistics.intervals import Intervals
    from octavo.cli.escaping import escape_line
    from octavo.cli.progress import count_bar
    from octavo.cli.screen import open_screen, print_json
    from octavo.cli.sizes import short
    from octavo.errors import RequestError

    intervals = Intervals(replicates=replicates, seed=seed)
    told = [open_told(run) for run in runs]
    only_counts = next((each for each in told if isinstance(each.source, Accumulators)), None)
    if (bos or special) and only_counts is not None:
        raise RequestError(
            f"{only_counts.path} keeps counts only, what counts was settled there: leave --bos and --special out"
        )
    with count_bar("writing the report") as tell:
        selection = Selection(bos=bos, special=special) if bos or special else None
        written = write_report(told, output, title=title, selection=selection, intervals=intervals, tell=tell)
    size = written.stat().st_size
    if json:
        print_json(
            {"report": str(written), "bytes": size, "runs": [{"run": each.path, "name": each.name} for each in told]}
        )
    else:
        open_screen().write(
            f"{escape_line(str(written))}: {short(size, 'B')}; open it in a browser, it loads nothing\n"
        )
