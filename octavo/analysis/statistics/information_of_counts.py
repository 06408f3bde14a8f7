"""Information of counts: the test of "syntax, not topic" from a table by domain, token id and expert alone.

The measures are those of ``conditional_information``. Published counts often hold any of a token's k experts: then E is
one of them, each as likely, so that log2 k bits of it nobody can tell, and the k of one token are not independent. So
chance draws whole sets of k experts for each token, with the frequencies of the layer (for ``token``) or of the token's
id (for ``domain-given-token``).
"""

import math

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from octavo.analysis.statistics.information import adjusted, conditional_entropy, entropy, mutual_information
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.vocabulary_specialisation import SETS, members_SE
from octavo.errors import TraceError

DRAWS = 4
ROUNDS = 60  # of fitting: a chance that is right to a thousandth is right enough


def information_rows(
    count_DLVE: Integer[np.ndarray, "D L V E"],
    *,
    layers: tuple[int, ...],
    k: int,
    choice: str = "either",
    seed: int = 0,
) -> list[Row]:
    """A row for each layer and measure; ``count_DLVE[d, l, x, e]`` tokens of domain d with id x chose expert e.

    ``choice`` says whether the first choice was counted or either of k. There is no shuffle null of documents, since
    counts know none: some of what is told of the domain may be of single texts. Raises TraceError for counts of other
    layers, and for more sets of experts than can be gone through.
    """
    per_token = 1 if choice == "first" else k
    num_experts = count_DLVE.shape[-1]
    if count_DLVE.ndim != 4 or count_DLVE.shape[1] != len(layers):
        raise TraceError(f"counts have shape {count_DLVE.shape}: want domains, {len(layers)} layers, ids and experts")
    if math.comb(num_experts, per_token) > SETS:
        raise TraceError(f"{per_token} of {num_experts} experts are more than {SETS} sets: count first choices only")
    member_SE, rng = members_SE(num_experts, per_token), np.random.default_rng(seed)
    rows = []
    for place, layer in enumerate(layers):
        table_DXE = count_DLVE[:, place][:, count_DLVE[:, place].any(axis=(0, 2))].astype(np.int64)
        n = int(table_DXE.sum()) // per_token
        found = _measures(table_DXE, per_token, member_SE, rng) if n else (None,) * 4
        for measure, value in zip(("entropy", "token", "domain", "domain-given-token"), found, strict=True):
            even = math.log2(num_experts) if measure == "entropy" else None
            rows.append(row(layer=layer, choice=choice, measure=measure, value=value, n=n, null_uniform=even))
    return rows


def _measures(
    table_DXE: Int64[np.ndarray, "D X E"], per_token: int, member_SE: Bool[np.ndarray, "S E"], rng: np.random.Generator
) -> tuple[float, float, float, float]:
    table_XE = table_DXE.sum(axis=0)
    used_E, token_X = table_XE.sum(axis=0), np.rint(table_XE.sum(axis=1) / per_token).astype(np.int64)
    h, given_word = entropy(used_E), conditional_entropy(table_XE)
    layer_S = fitted_XS((used_E / token_X.sum())[None], member_SE)[0]
    chance = [h - conditional_entropy(drawn(rng, token_X, layer_S, member_SE)) for _ in range(DRAWS)]
    toss = math.log2(per_token)
    token = adjusted(h - given_word, float(np.mean(chance)), h - toss)
    on_top = given_word - conditional_entropy(table_DXE.reshape(-1, table_DXE.shape[2]))
    # Ids of one domain tell nothing more of it, by chance or otherwise.
    shared_X = (table_DXE.sum(axis=2) > 0).sum(axis=0) > 1
    word_XS = fitted_XS(table_XE[shared_X] / token_X[shared_X, None], member_SE)
    token_DX = np.rint(table_DXE[:, shared_X].sum(axis=2) / per_token).astype(np.int64)
    everything = int(token_X.sum()) * per_token
    chance = [_told(drawn(rng, token_DX, word_XS, member_SE), token_X[shared_X], everything) for _ in range(DRAWS)]
    on_top = adjusted(on_top, float(np.mean(chance)), given_word - toss)
    topic = mutual_information(table_DXE.sum(axis=1), miller_madow=True)
    return entropy(used_E, miller_madow=True), token, topic, on_top


def _told(drawn_DXE: Int64[np.ndarray, "D X E"], token_X: Int64[np.ndarray, "X"], everything: int) -> float:
    """What a drawn table tells of the domain beyond the id, of all that was counted, ids of one domain too.

    Drawing with an id's own frequencies varies less, by 1 − 1/N(x), than dealing its very tokens out would.
    """
    of_DX = _terms(drawn_DXE.sum(axis=2)) - _terms(drawn_DXE).sum(axis=2)
    drawn_XE = drawn_DXE.sum(axis=0)
    of_X = _terms(drawn_XE.sum(axis=1)) - _terms(drawn_XE).sum(axis=1)
    told_X = (of_X - of_DX.sum(axis=0)) * token_X / np.maximum(token_X - 1, 1)
    return float(told_X.sum()) / everything


def _terms(count_X: Int64[np.ndarray, "*X"]) -> Float64[np.ndarray, "*X"]:
    return np.asarray(count_X * np.log2(np.maximum(count_X, 1)))


def drawn(
    rng: np.random.Generator,
    num_X: Int64[np.ndarray, "*X"],
    chance_XS: Float64[np.ndarray, "*Y S"],
    member_SE: Bool[np.ndarray, "S E"],
) -> Int64[np.ndarray, "*X E"]:
    """Counts of experts where so many tokens each draw a set."""
    return np.asarray(rng.multinomial(num_X, chance_XS) @ member_SE.astype(np.int64))


def fitted_XS(used_XE: Float64[np.ndarray, "X E"], member_SE: Bool[np.ndarray, "S E"]) -> Float64[np.ndarray, "X S"]:
    """Chances of all sets under which each expert is as frequent as it was seen, and otherwise independent.

    As ``vocabulary_specialisation.sets_with``, for many at a time; rows sum to 1.
    """
    member = member_SE.astype(np.float64)
    wanted_XE = np.clip(used_XE, 1e-9, 1 - 1e-9)
    log_XE = np.log(wanted_XE)
    for _ in range(ROUNDS if member_SE.sum(axis=1).max() > 1 else 1):
        chance_XS = np.exp(log_XE @ member.T)
        chance_XS /= chance_XS.sum(axis=1, keepdims=True)
        got_XE = np.clip(chance_XS @ member, 1e-9, 1 - 1e-9)
        if np.abs(got_XE - wanted_XE).max(initial=0) < 1e-4:
            break
        log_XE += np.log(wanted_XE / (1 - wanted_XE)) - np.log(got_XE / (1 - got_XE))
        log_XE -= log_XE.max(axis=1, keepdims=True)
    return np.asarray(chance_XS / chance_XS.sum(axis=1, keepdims=True))
