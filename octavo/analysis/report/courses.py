"""Courses: statistics that are one number a layer, each as lines over the layers for a small chart of its own.

Those that want rows are taken on the report's sample of whole documents, so that a long trace takes no longer than a
short one, and say on how many tokens.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.report.pivot import pivot, pivot_or_none, where
from octavo.analysis.statistics.intervals import ratio
from octavo.analysis.statistics.rows import Row

ALL = "all domains"
NULLS = ("uniform", "marginal", "shuffle")


@dataclass(frozen=True, slots=True, kw_only=True)
class Course:
    """A chart: the rows of ``statistic`` that have the keys ``among``, with a heading and a sentence that explains it.

    ``unit`` is "share", "bits", "nats" or "number".
    """

    statistic: str
    title: str
    meaning: str
    unit: str
    among: dict[str, Any] = field(default_factory=dict)

    def page(self, rows: Sequence[Row], layers: Sequence[int]) -> dict[str, Any] | None:
        """The chart as a page holds it; None where no row has a value."""
        some = where(rows, **self.among)
        names = list(dict.fromkeys(row.get("domain") for row in some))
        lines = [_line(name, where(some, domain=name) if name is not None else some, layers) for name in names]
        lines = [line for line in lines if np.isfinite(line["value"]).any()]
        if not lines:
            return None
        if len(lines) > 1 and names[-1] is not None:
            lines.append(_pooled(some, layers))
        about = {"statistic": self.statistic, "title": self.title, "meaning": self.meaning, "unit": self.unit}
        return {**about, "lines": lines}


def _pooled(rows: Sequence[Row], layers: Sequence[int]) -> dict[str, Any]:
    """The mean of the domains' lines, each weighing as much as was counted for it; without an interval."""
    axes = {"domain": list(dict.fromkeys(row["domain"] for row in rows)), "layer": layers}
    n_DL = np.nan_to_num(pivot(rows, "n", axes))

    def mean(column: str) -> Float64[np.ndarray, "L"]:
        value_DL = pivot(rows, column, axes)
        known_DL = np.where(np.isnan(value_DL), 0, n_DL)
        return ratio((np.nan_to_num(value_DL) * known_DL).sum(axis=0), known_DL.sum(axis=0))

    chances = {null: mean(f"null_{null}") for null in NULLS}
    return {
        "domain": ALL,
        "value": mean("value"),
        "lo": None,
        "hi": None,
        "nulls": [{"name": null, "value": value} for null, value in chances.items() if not np.isnan(value).all()],
        "n": int(n_DL.sum(axis=0).max()),
    }


def _line(name: str | None, rows: Sequence[Row], layers: Sequence[int]) -> dict[str, Any]:
    axes = {"layer": layers}
    chances = {null: pivot_or_none(rows, f"null_{null}", axes) for null in NULLS}
    return {
        "domain": ALL if name is None else name,
        "value": pivot(rows, "value", axes),
        "lo": pivot_or_none(rows, "lo", axes),
        "hi": pivot_or_none(rows, "hi", axes),
        "nulls": [{"name": null, "value": value} for null, value in chances.items() if value is not None],
        "n": max((row["n"] for row in rows), default=0),
    }


# What a statistic is asked for, where its own defaults would take longer than a report may.
OPTIONS: dict[str, dict[str, Any]] = {
    "conditional-information": {"max_tokens": 20_000, "intervals": None},
    "local-consistency": {"lengths": (16,), "factors": (2.0,)},
}

COLUMNS = ("tokens", "weights", "logits", "nll", "predictions")


def held_columns(manifest: TraceManifest) -> frozenset[str]:
    """The optional columns that a trace has, by the names that a statistic gives to what it needs."""
    return frozenset(name for name in COLUMNS if getattr(manifest, f"has_{name}"))


COURSES = (
    Course(
        statistic="load",
        title="The busiest expert",
        meaning="How far it is above the mean: 0 is even, 1 is twice the mean.",
        unit="number",
        among={"measure": "max-violation"},
    ),
    Course(
        statistic="load",
        title="Gini coefficient",
        meaning="0 where all experts read alike, near 1 where one reads everything.",
        unit="number",
        among={"measure": "gini"},
    ),
    Course(
        statistic="load",
        title="Coefficient of variation",
        meaning="Standard deviation of the experts' assignments over their mean.",
        unit="number",
        among={"measure": "cv"},
    ),
    Course(
        statistic="load",
        title="Balance loss",
        meaning="What a training loss would say of this layer by itself: 1 is even.",
        unit="number",
        among={"measure": "balance-loss"},
    ),
    Course(
        statistic="conditional-information",
        title="What the token tells",
        meaning="Information of the token's id on its expert, of the entropy's bits; chance taken off.",
        unit="bits",
        among={"measure": "token"},
    ),
    Course(
        statistic="conditional-information",
        title="What the domain tells beyond the token",
        meaning="Information of the domain on the expert once the token is known. Small beside the token's: syntax, "
        "not topic.",
        unit="bits",
        among={"measure": "domain-given-token"},
    ),
    Course(
        statistic="conditional-information",
        title="How many bits an expert's number has",
        meaning="Entropy of the first choice; the dashed line is that of even use.",
        unit="bits",
        among={"measure": "entropy"},
    ),
    Course(
        statistic="vocabulary-specialisation",
        title="Guessing the expert from the token",
        meaning="How often a token goes where its id went most often in the other half of the documents; the marginal "
        "chance is one guess for all ids.",
        unit="share",
        among={"measure": "held-out"},
    ),
    Course(
        statistic="word-agreement",
        title="Within a word",
        meaning="How often the next part of the same word has the same first choice.",
        unit="share",
        among={"measure": "within-words"},
    ),
    Course(
        statistic="word-agreement",
        title="From word to word",
        meaning="The same where one word ends and the next begins.",
        unit="share",
        among={"measure": "between-words"},
    ),
    Course(
        statistic="word-agreement",
        title="Indentation",
        meaning="Chance that two tokens of white space at the beginning of a line share their first choice.",
        unit="share",
        among={"measure": "indentation"},
    ),
    Course(
        statistic="confidence",
        title="Weight of the first choice",
        meaning="How much the first expert counts in the mix; half means that the second counts as much.",
        unit="share",
        among={"measure": "first-weight"},
    ),
    Course(
        statistic="confidence",
        title="Effective experts",
        meaning="How many evenly weighed experts the choice is worth: exp of its entropy.",
        unit="number",
        among={"measure": "effective-experts"},
    ),
    Course(
        statistic="local-consistency",
        title="Sixteen tokens with one set of experts",
        meaning="The best F1 of a router that chooses once for sixteen tokens in a row.",
        unit="share",
        among={"measure": "srp"},
    ),
)
