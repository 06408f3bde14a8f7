"""The statistics of routing: every one by its name, with what it means and what it can be computed from.

A statistic lives in a file of its own and is a function ``name(source, *, selection=None, intervals=None, ...)`` that
returns rows. To add one, import its function here and give it an entry.
"""

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.assignment_share import assignment_share
from octavo.analysis.statistics.cache import cache
from octavo.analysis.statistics.coactivation import coactivation
from octavo.analysis.statistics.coloured_text import coloured_text
from octavo.analysis.statistics.conditional_information import conditional_information
from octavo.analysis.statistics.confidence import confidence
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.layer_information import layer_information
from octavo.analysis.statistics.load import load
from octavo.analysis.statistics.local_consistency import local_consistency
from octavo.analysis.statistics.paths import paths
from octavo.analysis.statistics.placement import placement
from octavo.analysis.statistics.preferred_tokens import preferred_tokens
from octavo.analysis.statistics.prefetch import prefetch
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row, Statistic
from octavo.analysis.statistics.saturation import flips, saturation
from octavo.analysis.statistics.specialisation import domain_specialisation
from octavo.analysis.statistics.transitions import transitions
from octavo.analysis.statistics.vocabulary_specialisation import vocabulary_specialisation
from octavo.analysis.statistics.word_agreement import word_agreement

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
    "coloured-text": Statistic(
        function=coloured_text,
        meaning="a text, token by token, with the expert that read it",
        needs=frozenset({"tokens"}),
    ),
    "conditional-information": Statistic(
        function=conditional_information,
        meaning="what a token's expert tells of the token, and of its domain beyond the token",
        accumulated=True,
        needs=frozenset({"tokens"}),
    ),
    "word-agreement": Statistic(
        function=word_agreement,
        meaning="whether the tokens of one word, and of indentation, share an expert",
        needs=frozenset({"tokens"}),
    ),
    "vocabulary-specialisation": Statistic(
        function=vocabulary_specialisation,
        meaning="how far a token's id alone says which expert reads it",
        accumulated=True,
        needs=frozenset({"tokens"}),
    ),
    "preferred-tokens": Statistic(
        function=preferred_tokens,
        meaning="the tokens that each expert is chosen for more often than by chance",
        accumulated=True,
        needs=frozenset({"tokens"}),
    ),
    "confidence": Statistic(
        function=confidence,
        meaning="how sure the router is: entropy, margin, weight of the first choice",
        accumulated=True,
    ),
    "transitions": Statistic(
        function=transitions,
        meaning="which expert of the next layer follows which",
        accumulated=True,
    ),
    "layer-information": Statistic(
        function=layer_information,
        meaning="how much a layer's choice tells of another layer's",
    ),
    "paths": Statistic(
        function=paths,
        meaning="the ways that tokens take through the experts of all layers",
    ),
    "local-consistency": Statistic(
        function=local_consistency,
        meaning="how few experts would do for some tokens in a row",
    ),
    "cache": Statistic(
        function=cache,
        meaning="how often an expert would be found in a cache of fast memory",
    ),
    "prefetch": Statistic(
        function=prefetch,
        meaning="how many experts could be fetched ahead, from a layer before",
    ),
    "saturation": Statistic(
        function=saturation,
        meaning="how many of its experts a token keeps from one trace to another",
        traces=2,
    ),
    "flips": Statistic(
        function=flips,
        meaning="how many tokens are routed otherwise in another trace",
        traces=2,
    ),
}
