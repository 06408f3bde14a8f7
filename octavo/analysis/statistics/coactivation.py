"""Co-activation: which experts of a layer are chosen together (OLMoE, equation 6).

    value(i, j) = N(i, j) / N(i)        of the tokens that chose i, the share that chose j too; rows sum to K − 1

N(i, j) counts tokens that chose both. With ``compat="olmoe-code"`` it counts them as that paper's program does: only
those that have i and j next to each other in rank order, so rows sum to 2 (K − 1) / K; for K = 2 both are the same.
The marginal chance fills the other K − 1 places from the other experts, each as often as it is chosen anywhere.
"""

import numpy as np
from jaxtyping import Int64, Num

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.counting import codes_by_document
from octavo.analysis.chunk import Chunk
from octavo.analysis.codes import RouteCoding
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import nulls
from octavo.analysis.statistics.counted import ByDocument, Counted, Group, bare, counted
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

COMPATS = ("olmoe", "olmoe-code")


def coactivation(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    compat: str | None = None,
    by: str = "domain",
) -> list[Row]:
    """Returns a row for each domain, layer and two experts; n is the number of tokens that chose the first of them.

    Intervals need the rows of a trace whose routes have codes; else there are none. Raises TraceError for a ``compat``
    that is not there, and for neighbours in rank order where nobody knows that order.
    """
    selection = selection or Selection()
    if compat not in (None, *COMPATS):
        raise TraceError(f"co-activation compatible with {compat!r}: want {' or '.join(COMPATS)}")
    manifest = source.manifest
    adjacent = compat == "olmoe-code"
    if adjacent and manifest.coding.k > 2 and not manifest.rank_ordered:
        raise TraceError("nobody knows the order of ranks in this trace, so no neighbours in it: ask for 'olmoe'")

    def codes(chunk: Chunk) -> np.ndarray:
        return codes_by_document(chunk, selection.token_T(chunk), manifest.coding)

    sums: dict[str, ByDocument] = {"codes": codes} if intervals and manifest.coding.fits_a_byte else {}
    found = counted(source, selection=selection, intervals=intervals, contents=bare(), by_document=sums)
    return [each for group in found.groups(by) for each in _rows(found, group, adjacent=adjacent)]


def together_CEE(coding: RouteCoding, *, adjacent: bool) -> Int64[np.ndarray, "C E E"]:
    """Which experts a code holds together, or next to each other in rank order: 1 where it does."""
    expert_CK, E = coding.expert_CK(), coding.num_experts
    table = np.zeros((coding.size, E, E), np.int64)
    ranks = range(coding.k)
    for one, other in [(i, j) for i in ranks for j in ranks if (abs(i - j) == 1 if adjacent else i != j)]:
        table[np.arange(coding.size), expert_CK[:, one], expert_CK[:, other]] = 1
    return table


def _rows(found: Counted, group: Group, *, adjacent: bool) -> list[Row]:
    coding, E, k = found.coding, found.coding.num_experts, found.coding.k
    rank_LKE = found.counts.table("rank", group.domains)
    replicates = found.replicates("codes", group)
    even = (nulls.adjacent_coactivation if adjacent else nulls.coactivation)(E, k)
    table = together_CEE(coding, adjacent=adjacent).reshape(coding.size, -1) if coding.fits_a_byte else None
    rows = []
    for place, layer in found.places():
        chosen_E = rank_LKE[place].sum(axis=0)
        if table is not None:
            both_EE = (found.counts.table("code", group.domains)[place] @ table).reshape(E, E)
        else:
            both_EE = found.counts.table("neighbours" if adjacent else "together", group.domains)[place]
        value_EE = ratio(both_EE, chosen_E[:, None])
        chance_EE = marginal_chances(chosen_E, k) * (2 / k if adjacent else 1)
        ends = None
        if replicates is not None and table is not None:
            ends = found.ends(_replicates(replicates[:, place], coding, table))
        rows += [
            row(
                domain=group.name,
                layer=layer,
                expert=expert,
                other=other,
                value=value_EE[expert, other],
                null_uniform=even,
                null_marginal=chance_EE[expert, other],
                interval=None if ends is None else (ends[0, expert, other], ends[1, expert, other]),
                n=int(chosen_E[expert]),
            )
            for expert in range(E)
            for other in range(E)
            if other != expert
        ]
    return rows


def marginal_chances(chosen_E: Num[np.ndarray, "E"], k: int) -> np.ndarray:
    """The chance of each other expert to be among the K − 1 that come with an expert, by how often it is chosen."""
    return (k - 1) * ratio(chosen_E[None, :], chosen_E.sum() - chosen_E[:, None])


def _replicates(code_RC: Num[np.ndarray, "R C"], coding: RouteCoding, table: np.ndarray) -> np.ndarray:
    E = coding.num_experts
    both_REE = (code_RC @ table).reshape(-1, E, E)
    return ratio(both_REE, (code_RC @ coding.member_CE().astype(np.float64))[:, :, None])
