"""Assignment share: how a domain's tokens are spread over the experts of a layer (Mixtral of Experts, Figures 7 and 9).

    assignments   share(d, l, e) = N(d, l, e) / Σ_e' N(d, l, e')    of what is assigned; sums to 1, even is 1/E
    tokens        share(d, l, e) = N(d, l, e) / tokens(d)           of the tokens; either sums to K, even is K/E

N counts first choices, second choices ..., or any of the K (``either``). The captions of both figures say tokens; what
is drawn there are shares of assignments.
"""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64, Num

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.accumulators.counting import ranks_by_document
from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import nulls
from octavo.analysis.statistics.counted import Counted, Group, bare, counted, expect_ranks
from octavo.analysis.statistics.intervals import Intervals, ratio
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

RANKS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
EITHER = "either"
NORMS = ("assignments", "tokens")


def rank_names(k: int) -> tuple[str, ...]:
    """What the K choices are called."""
    return tuple(RANKS[rank] if rank < len(RANKS) else f"{rank + 1}th" for rank in range(k))


def shares(count_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X E"]:
    """Shares of counts of experts, which sum to 1 over the last axis; NaN where nothing was counted."""
    return ratio(count_XE, count_XE.sum(axis=-1, keepdims=True))


def choice_counts(count_XKE: np.ndarray, choice: str, k: int) -> np.ndarray:
    """From counts at each rank to those of one choice: a rank's name, or either for all ranks together."""
    return np.asarray(count_XKE.sum(axis=-2) if choice == EITHER else count_XKE[..., rank_names(k).index(choice), :])


def assignment_share(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    choice: Sequence[str] | None = None,
    norm: str = "assignments",
    by: str = "domain",
) -> list[Row]:
    """Returns a row for each domain, layer, choice and expert; n is what the share is of: assignments or tokens.

    ``choice`` is None for all that the trace knows. Raises TraceError for a choice or norm that is not there.
    """
    selection = selection or Selection()
    choices = choices_of(source, choice)
    if norm not in NORMS:
        raise TraceError(f"shares of {norm!r}: want those of 'assignments' or of 'tokens'")
    coding = source.manifest.coding

    def ranks(chunk: Chunk) -> np.ndarray:
        return ranks_by_document(chunk, selection.token_T(chunk), coding)

    sums = {"rank": ranks} if intervals else {}
    found = counted(source, selection=selection, intervals=intervals, contents=bare(), by_document=sums)
    return [each for group in found.groups(by) for each in _rows(found, group, choices, norm)]


def choices_of(source: TraceSource | Accumulators, choice: Sequence[str] | None) -> tuple[str, ...]:
    """The choices asked for, or all that are known; raises TraceError for one that is not there or not known."""
    manifest = source.manifest
    names = rank_names(manifest.coding.k)
    if choice is None:
        return (*names, EITHER) if manifest.rank_ordered else (EITHER,)
    if wrong := [each for each in choice if each not in (*names, EITHER)]:
        raise TraceError(f"no choice {wrong[0]!r}: want {', '.join(names)} or {EITHER}")
    expect_ranks(manifest, tuple(choice), names)
    return tuple(choice)


def _rows(found: Counted, group: Group, choices: tuple[str, ...], norm: str) -> list[Row]:
    k, num_experts = found.coding.k, found.coding.num_experts
    rank_LKE = found.counts.table("rank", group.domains)
    replicate_RLKE = found.replicates("rank", group)
    rows = []
    for place, layer in found.places():
        for choice in choices:
            count_E = choice_counts(rank_LKE[place], choice, k)
            # A token has each of its ranks once, so first choices are as many as tokens.
            below = int(count_E.sum()) // (k if norm == "tokens" and choice == EITHER else 1)
            share_E = ratio(count_E, below)
            ends_2E = None
            if replicate_RLKE is not None:
                count_RE = choice_counts(replicate_RLKE[:, place], choice, k)
                ends_2E = found.ends(shares(count_RE) * (share_E.sum() if norm == "tokens" else 1))
            each_k = k if choice == EITHER and norm == "tokens" else 1
            for expert in range(num_experts):
                rows.append(
                    row(
                        domain=group.name,
                        layer=layer,
                        choice=choice,
                        expert=expert,
                        value=share_E[expert],
                        null_uniform=nulls.share_of_tokens(num_experts, each_k),
                        interval=None if ends_2E is None else (ends_2E[0, expert], ends_2E[1, expert]),
                        n=below,
                    )
                )
    return rows
