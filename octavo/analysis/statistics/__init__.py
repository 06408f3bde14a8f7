"""The statistics of routing: every one by its name, with what it means and what it can be computed from.

A statistic lives in a file of its own and is a function ``name(source, *, selection=None, intervals=None, ...)`` that
returns rows. To add one, import its function here and give it an entry.
"""

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.assignment_share import assignment_share
from octavo.analysis.statistics.coactivation import coactivation
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.load import load
from octavo.analysis.statistics.placement import placement
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row, Statistic
from octavo.analysis.statistics.specialisation import domain_specialisation

__all__ = ["CATALOGUE", "Intervals", "Row", "Selection", "Statistic"]

CATALOGUE: dict[str, Statistic] = {
    "assignment-share": Statistic(
        function=assignment_share,
        meaning="how a domain's tokens are spread over the experts of a layer",
        accumulated=True,
    ),
    "repetition": Statistic(
        function=repetition,
        meaning="how often a token's experts are those of the token before",
        accumulated=True,
    ),
    "co-activation": Statistic(
        function=coactivation,
        meaning="which experts of a layer are chosen together",
        accumulated=True,
    ),
    "domain-specialisation": Statistic(
        function=domain_specialisation,
        meaning="whether a domain's tokens go to other experts than another domain's",
        accumulated=True,
    ),
    "load": Statistic(
        function=load,
        meaning="how evenly experts are used, and the losses that watch over it",
        accumulated=True,
    ),
    "placement": Statistic(
        function=placement,
        meaning="what the trace would cost with the experts spread over several GPUs",
        accumulated=True,
    ),
}
