"""Comparison: how many tokens of a run go to other experts than in the report's first run, where both read the same.

The first documents of each domain are compared; traces of other texts are not, and the page says so.
"""

import shlex
from typing import Any

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.report.courses import Course
from octavo.analysis.report.run import Told
from octavo.analysis.report.sample import draw_sample
from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.saturation import flips
from octavo.errors import TraceError

WHAT = {
    "first": "Share of tokens whose first choice is another.",
    "set": "Share of tokens whose set of experts is another, whatever their order.",
}


def compare_runs(
    first: Told, run: Told, *, selection: Selection, intervals: Intervals | None
) -> tuple[list[dict[str, Any]], list[list[str]]]:
    """The charts of ``run`` beside ``first``, and what is left out of them and why, as facts."""
    if isinstance(first.source, Accumulators) or isinstance(run.source, Accumulators):
        return [], [
            ["left out", f"flips: counts alone of {first.name} or {run.name} do not say which token went where"]
        ]
    one, other = (draw_sample(each.source, each.pieces) for each in (first, run))  # type: ignore[arg-type]
    try:
        rows = flips(one, other, selection=selection, intervals=intervals)
    except TraceError as error:
        return [], [["left out", f"flips against {first.name}: {error}"]]
    pages = []
    for choice, meaning in WHAT.items():
        course = Course(
            statistic="flips",
            title=f"Other {'first choices' if choice == 'first' else 'experts'} than in “{first.name}”",
            meaning=meaning,
            unit="share",
            among={"choice": choice},
        )
        if page := course.page([row for row in rows if row["layer"] is not None], run.source.manifest.layers):
            pages.append({**page, "against": shlex.quote(first.path)})
    return pages, []
