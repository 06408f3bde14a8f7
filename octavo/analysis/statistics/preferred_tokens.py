"""Preferred tokens: the ids that an expert is chosen for most strikingly more often than chance would have it.

    share(x, e) = N(x, e) / N(x)      p_e = Σ_x N(x, e) / Σ_x N(x)      lift = share / p_e
    score = (N(x, e) − N(x) p_e) / √(N(x) p_e (1 − p_e))

The score counts the standard deviations by which the id differs from what its frequency and the expert's would give
together, so that neither a rare id with a high share nor a frequent one with a common share comes first.
"""

from collections.abc import Mapping

import numpy as np
from jaxtyping import Float64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.spelling import vocabulary_of
from octavo.analysis.statistics.token_counts import TokenCounts, token_counts
from octavo.analysis.statistics.vocabulary_specialisation import MIN_COUNT
from octavo.errors import TraceError

ORDERS = ("score", "share", "count")


def preferred_tokens(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    choice: str = "first",
    target: str = "input",
    top: int = 20,
    min_count: int = MIN_COUNT,
    order: str = "score",
) -> list[Row]:
    """The ``top`` ids of each layer and expert, as ``preferred_rows`` gives them, counted from a trace.

    The spelling of the ids is taken from the trace where it has a vocabulary. Raises TraceError where it has no ids.
    """
    del intervals  # a list that is chosen by its own values has no interval that would hold
    counts = token_counts(source, selection=selection, choice=choice, target=target)
    vocabulary = vocabulary_of(source)
    found = preferred_rows(counts, vocabulary=vocabulary, top=top, min_count=min_count, order=order)
    return [{"target": target, **each} for each in found]


def preferred_rows(
    counts: TokenCounts,
    *,
    vocabulary: Mapping[int, bytes] | None = None,
    top: int = 20,
    min_count: int = MIN_COUNT,
    order: str = "score",
) -> list[Row]:
    """A row for each layer, expert and place in its list of ids: the share N(x, e) / N(x), with p_e as marginal null.

    Of ids that occur at least ``min_count`` times those with a positive score, ordered by "score", by "share" or by
    "count" N(x, e). ``n`` is N(x); ``token`` the id's spelling, bytes that are no text as \\\\xNN, None without one.
    """
    if order not in ORDERS:
        raise TraceError(f"no order {order!r} of preferred tokens: want one of {', '.join(ORDERS)}")
    if top < 1 or min_count < 1:
        raise TraceError(f"top {top} and minimum count {min_count}: want 1 or more of each")
    kept, rows = counts.with_at_least(min_count), []
    num_experts = counts.count_LXE.shape[2]
    for place, layer in enumerate(counts.layers):
        count_XE, token_X = kept.count_LXE[place], kept.token_X(place)
        used_E = counts.count_LXE[place].sum(axis=0) / max(float(counts.token_X(place).sum()), 1.0)
        score_XE = scores_XE(count_XE.astype(np.float64), token_X, used_E)
        ranked_XE = {"score": score_XE, "share": count_XE / token_X[:, None], "count": count_XE}[order]
        ranked_XE = np.where(score_XE > 0, ranked_XE, -np.inf)
        for expert in range(num_experts):
            for rank, x in enumerate(_best(ranked_XE[:, expert], token_X, top)):
                token = int(kept.id_X[x])
                rows.append(
                    row(
                        layer=layer,
                        expert=expert,
                        choice=counts.choice,
                        rank=rank,
                        token_id=token,
                        token=spelled((vocabulary or {}).get(token)),
                        score=float(score_XE[x, expert]),
                        value=float(count_XE[x, expert] / token_X[x]),
                        null_uniform=counts.per_token / num_experts,
                        null_marginal=float(used_E[expert]),
                        n=int(token_X[x]),
                    )
                )
    return rows


def _best(ranked_X: Float64[np.ndarray, "X"], token_X: Float64[np.ndarray, "X"], top: int) -> list[int]:
    """The places of the greatest, of equals the more frequent first, then the lower id."""
    likely = np.flatnonzero(np.isfinite(ranked_X))
    if len(likely) > top:
        likely = likely[ranked_X[likely] >= np.partition(ranked_X[likely], -top)[-top]]
    order = np.lexsort((likely, -token_X[likely], -ranked_X[likely]))
    found: list[int] = likely[order[:top]].tolist()
    return found


def scores_XE(
    count_XE: Float64[np.ndarray, "X E"], token_X: Float64[np.ndarray, "X"], used_E: Float64[np.ndarray, "E"]
) -> Float64[np.ndarray, "X E"]:
    """Standard deviations above chance; 0 where an expert is chosen never or always."""
    expected_XE = token_X[:, None] * used_E
    spread_XE = np.sqrt(expected_XE * (1 - np.minimum(used_E, 1.0)))
    return np.asarray(np.where(spread_XE > 0, (count_XE - expected_XE) / np.where(spread_XE > 0, spread_XE, 1), 0.0))


def spelled(piece: bytes | None) -> str | None:
    """A token's bytes as text, those that are none of it as ``\\\\xNN``."""
    return None if piece is None else piece.decode("utf-8", errors="backslashreplace")
