"""Vocabulary specialisation: how far the token id alone says which expert is chosen.

    share  = Σ_x max_e N(x, e) / Σ_x N(x)        over the ids x that occur at least ``min_count`` times
    null   = the same, had the routes been dealt out to the tokens by chance
    excess = share − null
    held-out = share of tokens that choose what their id chose most often in the other half of the documents
    OLMoE  = mean over all ids of max_e N(x, e) / N(x)               (arXiv 2409.02060, equation 8, as its script does)

The mean over all ids is biased: an id that occurs once has a share of 1 by construction, so that routers that choose at
random seem to be specialised. Here ids count as often as they occur, rare ones not at all, and chance is taken off.
"""

import itertools
import math
from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.halving import Halving
from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.ratios import Ratios, by_document
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.token_counts import TokenCounts, halves, targets, token_counts
from octavo.errors import TraceError

MIN_COUNT = 10
SETS = 256  # sets of experts that are drawn as wholes; with more of them each expert is drawn on its own
DRAWS = 32


def vocabulary_specialisation(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    intervals: Intervals | None = None,
    choice: str = "first",
    target: str = "input",
    min_count: int = MIN_COUNT,
    compat: str | None = None,
) -> list[Row]:
    """Rows by layer and measure ("share", "excess" and "held-out"), over all domains that the selection lets in.

    ``choice`` is "first" or "either", ``target`` "input", "predicted" or "next" (which id stands for a token).
    ``null_shuffle`` is what chance gives, 0 for the excess; the marginal null of "held-out" is what one expert for all
    ids would score. Only "held-out" has an interval: the greatest of counts drawn again is greater than that of the
    counts, so that no bootstrap can serve the others. ``compat="olmoe"`` gives the published form instead, with what
    chance gives in it. Counts in place of rows give no "held-out". Raises TraceError where the trace has no such ids.
    """
    if isinstance(source, Accumulators):
        counts = token_counts(source, selection=selection, choice=choice, target=target)
        rows = specialisation_rows(counts, min_count=min_count, compat=compat)
        return [{"target": target, **each} for each in rows]
    one, other, both = halves(source, selection=selection, choice=choice, target=target)
    rows = specialisation_rows(both, min_count=min_count, compat=compat)
    if compat is None:
        rows += held_out_rows(
            source, (one, other), selection=selection or Selection(), intervals=intervals, target=target
        )
        rows.sort(key=lambda each: int(each["layer"]))
    return [{"target": target, **each} for each in rows]


def specialisation_rows(
    counts: TokenCounts, *, min_count: int = MIN_COUNT, compat: str | None = None, seed: int = 0
) -> list[Row]:
    """The rows of a table of counts; see ``vocabulary_specialisation``."""
    if compat not in (None, "olmoe"):
        raise TraceError(f"no convention {compat!r} for vocabulary specialisation: want 'olmoe', or none")
    if min_count < 1:
        raise TraceError(f"a minimum count of {min_count}: want 1 or more")
    weighted = compat is None
    kept = counts.with_at_least(min_count) if weighted else counts
    rng = np.random.default_rng(seed)
    rows = []
    for place, layer in enumerate(counts.layers):
        token_X, most_X = kept.token_X(place), kept.count_LXE[place].max(axis=1, initial=0)
        n = int(token_X.sum())
        keys: dict[str, Any] = {"layer": layer, "choice": counts.choice}
        uniform = counts.per_token / counts.count_LXE.shape[2]
        if not n:
            rows += [row(**keys, measure=measure, value=None, n=0) for measure in ("share", "excess")]
            continue
        weight_X = np.ones(len(token_X)) if weighted else 1 / token_X
        share = float((most_X * weight_X).sum() / (token_X * weight_X).sum())
        chance = chance_share(kept, place, weight_X, rng)
        if not weighted:
            rows.append(
                row(**keys, measure="olmoe", value=share, n=len(token_X), null_uniform=uniform, null_shuffle=chance)
            )
            continue
        rows.append(row(**keys, measure="share", value=share, n=n, null_uniform=uniform, null_shuffle=chance))
        rows.append(row(**keys, measure="excess", value=share - chance, n=n, null_shuffle=0.0))
    return rows


def held_out_rows(
    source: TraceSource,
    learnt: tuple[TokenCounts, TokenCounts],
    *,
    selection: Selection,
    intervals: Intervals | None,
    target: str,
) -> list[Row]:
    """How often an id's favourite expert of one half of the documents is what it chooses in the other half.

    Ids that the other half does not have are passed by; ``n`` counts the tokens that are left.
    """
    found, halving, one = Ratios(), Halving(), learnt[0]
    keys: list[dict[str, Any]] = [{"layer": layer, "choice": one.choice, "measure": "held-out"} for layer in one.layers]
    if not len(one.id_X):
        return [row(**each, value=None, n=0) for each in keys]
    favourite_2LX = np.stack([np.where(half.token_X(0) > 0, half.count_LXE.argmax(axis=2), -1) for half in learnt])
    ranks = one.per_token
    for chunk, id_T, keep_T in targets(source, selection, target):
        half_T = halving.half_T(chunk)
        column_T = np.minimum(np.searchsorted(one.id_X, id_T), len(one.id_X) - 1)
        guess_LT = favourite_2LX[1 - half_T, :, column_T].T
        known_LT = keep_T & (guess_LT >= 0)
        hit_LT = known_LT & (chunk.expert_LTK[:, :, :ranks] == guess_LT[:, :, None]).any(axis=2)
        found.add("all", by_document(hit_LT.T, chunk.start_S1), by_document(known_LT.T, chunk.start_S1))
    if not found.sums.parts:
        return []
    used_LE = sum(half.count_LXE.sum(axis=1) for half in learnt)
    one_L = (used_LE.max(axis=1) * ranks / np.maximum(used_LE.sum(axis=1), 1)).tolist()
    uniform = [ranks / used_LE.shape[1]] * len(keys)
    rows = found.rows("all", keys, intervals=intervals, nulls={"null_uniform": uniform, "null_marginal": one_L})
    return [{name: each for name, each in found.items() if name != "domain"} for found in rows]


def chance_share(
    counts: TokenCounts, place: int, weight_X: Float64[np.ndarray, "X"], rng: np.random.Generator
) -> float:
    """The share, ids weighted, where every token draws its experts with the layer's frequencies, whatever its id."""
    token_X = np.rint(counts.token_X(place)).astype(np.int64)
    often_N, which_X = np.unique(token_X, return_inverse=True)
    weight_N = np.bincount(which_X, weight_X)
    used_E = counts.count_LXE[place].sum(axis=0) / token_X.sum()
    # Ids that occur equally often are equal to chance, so that one draw serves all of them.
    most_N = np.mean([_most(often_N, used_E, counts.per_token, rng) for _ in range(DRAWS)], axis=0)
    return float((most_N @ weight_N) / (weight_N @ often_N))


def _most(
    often_N: Int64[np.ndarray, "N"], used_E: Float64[np.ndarray, "E"], per_token: int, rng: np.random.Generator
) -> Float64[np.ndarray, "N"]:
    """The greatest of the E counts of ids that occur so often, drawn by chance."""
    if per_token == 1:
        drawn_NE = rng.multinomial(often_N, used_E / used_E.sum())
    elif math.comb(len(used_E), per_token) <= SETS:
        member_SE, chance_S = sets_with(used_E, per_token)
        drawn_NE = rng.multinomial(often_N, chance_S) @ member_SE.astype(np.int64)
    else:
        drawn_NE = rng.binomial(often_N[:, None], np.clip(used_E, 0, 1))
    return np.asarray(drawn_NE.max(axis=1).astype(np.float64))


def members_SE(num_experts: int, k: int) -> Bool[np.ndarray, "S E"]:
    """All sets of k experts."""
    member_SE = np.zeros((math.comb(num_experts, k), num_experts), bool)
    for place, chosen in enumerate(itertools.combinations(range(num_experts), k)):
        member_SE[place, list(chosen)] = True
    return member_SE


def sets_with(used_E: Float64[np.ndarray, "E"], k: int) -> tuple[Bool[np.ndarray, "S E"], Float64[np.ndarray, "S"]]:
    """All sets of k experts, and chances of theirs under which expert e is in a share ``used_E[e]`` of the sets drawn.

    Of all such chances those that add no other dependence (of maximal entropy): a set's is proportional to the product
    of a number for each of its experts, found by iterative proportional fitting. ``used_E`` sums to k.
    """
    member_SE = members_SE(len(used_E), k)
    log_E = np.log(np.maximum(used_E, 1e-12))
    for _ in range(200):
        chance_S = np.exp(member_SE @ log_E)
        chance_S /= chance_S.sum()
        got_E = chance_S @ member_SE
        if np.abs(got_E - used_E).max() < 1e-9:
            break
        odds_wanted_E = np.clip(used_E, 1e-12, 1 - 1e-12) / np.clip(1 - used_E, 1e-12, 1)
        odds_got_E = np.clip(got_E, 1e-12, 1 - 1e-12) / np.clip(1 - got_E, 1e-12, 1)
        log_E += np.log(odds_wanted_E / odds_got_E)
    return member_SE, np.asarray(chance_S)
