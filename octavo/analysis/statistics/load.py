"""Load: how evenly each layer's experts are used, in the usual measures, and what the training losses would say.

The measures and their equations stand in ``balance``; the losses want router logits.
"""

import math
from collections.abc import Sequence

import numpy as np

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.contents import UNITS
from octavo.analysis.accumulators.counting import ranks_by_document
from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import balance
from octavo.analysis.statistics.counted import Counted, Group, bare, counted
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

OF_COUNTS = {"max-violation": balance.max_violation, "cv": balance.variation, "gini": balance.gini}
LOSSES = ("balance-loss", "balance-loss-pooled", "z-loss")
MEASURES = (*OF_COUNTS, *LOSSES)


def load(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    measure: Sequence[str] | None = None,
    by: str = "domain",
) -> list[Row]:
    """Returns a row for each domain, layer and measure (the pooled loss has one for all layers); n is the tokens.

    ``measure`` is None for all that the trace can give. Raises TraceError for a measure that is not there, and for a
    loss of a trace without logits. Losses have no intervals.
    """
    selection = selection or Selection()
    measures = _measures(source, measure)
    coding = source.manifest.coding

    def ranks(chunk: Chunk) -> np.ndarray:
        return ranks_by_document(chunk, selection.token_T(chunk), coding)

    found = counted(
        source,
        selection=selection,
        intervals=intervals,
        contents=bare(confidence=bool(set(measures) & set(LOSSES))),
        by_document={"rank": ranks} if intervals else {},
    )
    return [each for group in found.groups(by) for each in _rows(found, group, measures)]


def _measures(source: TraceSource | Accumulators, measure: Sequence[str] | None) -> tuple[str, ...]:
    has_logits = source.has("probability") if isinstance(source, Accumulators) else source.manifest.has_logits
    if measure is None:
        return MEASURES if has_logits else tuple(OF_COUNTS)
    if wrong := [each for each in measure if each not in MEASURES]:
        raise TraceError(f"no load as {wrong[0]!r}: want {', '.join(MEASURES)}")
    if not has_logits and (lost := [each for each in measure if each in LOSSES]):
        raise TraceError(f"no {lost[0]} without router logits: trace the text anew with them")
    return tuple(measure)


def _rows(found: Counted, group: Group, measures: tuple[str, ...]) -> list[Row]:
    rank_LKE = found.counts.table("rank", group.domains)
    tokens = int(found.counts.table("tokens", group.domains))
    replicates = found.replicates("rank", group)
    rows = []
    for place, layer in found.places():
        for measure in (each for each in measures if each in OF_COUNTS):
            replicate_R = None if replicates is None else OF_COUNTS[measure](replicates[:, place].sum(axis=1))
            ends = found.ends(replicate_R)
            rows.append(
                row(
                    domain=group.name,
                    layer=layer,
                    measure=measure,
                    value=float(OF_COUNTS[measure](rank_LKE[place].sum(axis=0))),
                    null_uniform=0.0,
                    interval=None if ends is None else (float(ends[0]), float(ends[1])),
                    n=tokens,
                )
            )
        rows += _losses(found, group, measures, place, layer)
    if "balance-loss-pooled" in measures:
        places = [place for place, _ in found.places()]
        probability_LE = found.counts.table("probability", group.domains)
        value = balance.pooled_balance_loss(rank_LKE[places], probability_LE[places])
        even = float(found.coding.k)
        rows.append(
            row(domain=group.name, layer=None, measure="balance-loss-pooled", value=value, null_uniform=even, n=tokens)
        )
    return rows


def _losses(found: Counted, group: Group, measures: tuple[str, ...], place: int, layer: int) -> list[Row]:
    tokens = int(found.counts.table("tokens", group.domains))
    values: dict[str, tuple[float, float]] = {}
    if "balance-loss" in measures:
        load_E = found.counts.table("rank", group.domains)[place].sum(axis=0)
        loss = balance.balance_loss(load_E, found.counts.table("probability", group.domains)[place])
        values["balance-loss"] = float(loss), 1.0
    if "z-loss" in measures:
        total = found.counts.table("z_squared", group.domains)[place]
        values["z-loss"] = float(ratio(total / UNITS, tokens)), math.log(found.coding.num_experts) ** 2
    return [
        row(domain=group.name, layer=layer, measure=measure, value=value, null_uniform=even, n=tokens)
        for measure, (value, even) in values.items()
    ]
