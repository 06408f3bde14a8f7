"""Layer information: how much the first choice in one layer tells of the first choice in another, for the same token.

    I(l, l') = H(e_l) + H(e_l') − H(e_l, e_l')          in bits, with the Miller-Madow correction; I(l, l) = H(e_l)

A layer that copies the choice of another, under whatever numbers, has I = H; independent layers have 0.
"""

from statistics import NormalDist

import numpy as np
from jaxtyping import Float64, Int64

from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import expect_ranks
from octavo.analysis.statistics.information import jackknife_spread, mutual_information
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.ratios import group_of, name_of
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.transitions import counts_GWEE

GROUPS = 20


def layer_information(
    source: TraceSource, *, selection: Selection | None = None, intervals: Intervals | None = None, by: str = "domain"
) -> list[Row]:
    """The information of every two layers, by domain, layer and next_layer (a layer with itself: its entropy).

    The nulls of two different layers are 0, that of a layer's entropy log2 E. Intervals are those of the jackknife over
    20 groups of documents.
    """
    selection = selection or Selection()
    expect_ranks(source.manifest, ("first choice",), ("first choice",))
    layers, num_experts = selection.layers_of(source.manifest), source.manifest.num_experts
    ways = [(left, right) for left in range(len(layers)) for right in range(left, len(layers))]
    groups = 1 if intervals is None else GROUPS
    tables: dict[str, Int64[np.ndarray, "G W E E"]] = {}
    met: dict[str, int] = {}
    for chunk in selection.chunks(source):
        group = group_of(chunk.domain, by)
        before = met.get(group, 0)
        met[group] = before + len(chunk.document_S)
        group_T = None if groups == 1 else (chunk.place_T + before) % groups
        count_GWEE = counts_GWEE(
            chunk,
            selection.token_T(chunk),
            group_T,
            ways,
            num_groups=groups,
            num_experts=num_experts,
            pairs="first",
        )
        tables[group] = tables.get(group, 0) + count_GWEE
    rows = []
    for domain, count_GWEE in tables.items():
        value_W, spread_W = _values(count_GWEE, min(groups, met[domain]))
        for place, (left, right) in enumerate(ways):
            ends = None
            if intervals is not None and spread_W is not None:
                reach = NormalDist().inv_cdf(0.5 + intervals.level / 2) * float(spread_W[place])
                ends = (float(value_W[place]) - reach, float(value_W[place]) + reach)
            same = left == right
            rows.append(
                row(
                    domain=name_of(domain),
                    layer=layers[left],
                    next_layer=layers[right],
                    value=float(value_W[place]),
                    n=int(count_GWEE[:, place].sum()),
                    null_uniform=float(np.log2(num_experts)) if same else 0.0,
                    null_marginal=None if same else 0.0,
                    interval=ends,
                )
            )
    return rows


def _values(
    count_GWEE: Int64[np.ndarray, "G W E E"], groups: int
) -> tuple[Float64[np.ndarray, "W"], Float64[np.ndarray, "W"] | None]:
    """The information of each pair of layers, and its standard error where there is more than one group."""
    count_WEE = count_GWEE.sum(axis=0)
    value_W = np.array([mutual_information(count_EE, miller_madow=True) for count_EE in count_WEE])
    if groups < 2:
        return value_W, None
    without_GW = [
        [mutual_information(count_EE, miller_madow=True) for count_EE in count_WEE - count_GWEE[group]]
        for group in range(groups)
    ]
    return value_W, jackknife_spread(np.array(without_GW))
