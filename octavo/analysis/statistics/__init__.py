"""The statistics of routing: every one by its name, with what it means and what it can be computed from.

A statistic lives in a file of its own and is a function ``name(source, *, selection=Selection(), intervals=None, ...)``
that returns rows. To add one, import its function here and give it an entry.
"""

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.rows import Row, Statistic

__all__ = ["CATALOGUE", "Intervals", "Row", "Selection", "Statistic"]

CATALOGUE: dict[str, Statistic] = {}
