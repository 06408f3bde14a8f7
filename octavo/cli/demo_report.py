"""The end of ``octavo demo``: the report of the samples, where to open it, or why there is none."""

from pathlib import Path

from octavo.api.opening import find_model
from octavo.cli.escaping import escape_line
from octavo.cli.exits import complain
from octavo.cli.models import Opened
from octavo.cli.progress import count_bar
from octavo.cli.screen import Screen
from octavo.errors import TraceError

STEPS = 1000


def made(opened: Opened) -> Path | None:
    """Makes the report or finds it made; says on stderr why there is none, which keeps no demo from its end."""
    from octavo.collect.demonstration import demonstrate

    try:
        with count_bar("the report") as tell:
            kept = demonstrate(
                opened.llm,
                model=opened.name,
                folder=find_model(opened.name),
                tell=lambda what, share: tell(what, round(share * STEPS), STEPS),
            )
    except TraceError as error:
        complain(f"no report: {error}")
        return None
    return kept.report


def say(report: Path | None, screen: Screen) -> None:
    """Writes where the report is."""
    if report is None:
        return
    screen.write(
        "\nWho reads what, by domain, token and expert: open\n"
        f"  {escape_line(report.as_uri())}\n"
        f"made from the trace {escape_line(str(report.with_name('demo.route')))}\n"
    )
