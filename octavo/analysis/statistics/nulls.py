"""Nulls: what chance alone would give, for any number of experts E and any k of them a token.

    uniform    every set of k experts is equally likely, in every order, independently for each token
    marginal   tokens are independent, but routes are as frequent as they were observed to be
    shuffle    the tokens of a document stand in a random order: the mean over all orders, exactly

The first-choice repetition of independent tokens is 1/E when uniform, Σ_e p_e² with observed frequencies p, and within
one document of n tokens, c_e of them with first choice e, Σ_e c_e (c_e − 1) / (n (n − 1)) at any lag: in a random order
every pair of tokens is as likely as any other to stand in two given places. The same holds of any relation between two.
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Float64, Integer


def share(num_experts: int) -> float:
    """Share of the assignments that an expert gets: 1/E."""
    return 1 / num_experts


def share_of_tokens(num_experts: int, k: int) -> float:
    """Share of the tokens that an expert reads: k/E; also the overlap |S ∩ S'|/k of two independent sets."""
    return k / num_experts


def first(num_experts: int) -> float:
    """Chance that two tokens have the same first choice: 1/E (Mixtral of Experts, Table 5)."""
    return 1 / num_experts


def either(num_experts: int, k: int) -> float:
    """Chance that two tokens share an expert: 1 − C(E − k, k) / C(E, k) (Mixtral of Experts, Table 5)."""
    return 1 - math.comb(num_experts - k, k) / math.comb(num_experts, k)


def exact(num_experts: int, k: int) -> float:
    """Chance that two tokens have the same experts in the same order: (E − k)! / E!."""
    return 1 / math.perm(num_experts, k)


def order_free(num_experts: int, k: int) -> float:
    """Chance that two tokens have the same experts in any order: 1 / C(E, k)."""
    return 1 / math.comb(num_experts, k)


def coactivation(num_experts: int, k: int) -> float:
    """Chance that an expert is chosen for a token, given that another one is: (k − 1) / (E − 1)."""
    return (k - 1) / (num_experts - 1) if num_experts > 1 else math.nan


def adjacent_coactivation(num_experts: int, k: int) -> float:
    """The same where only neighbours in rank order are counted: 2 (k − 1) / (k (E − 1))."""
    return 2 / k * coactivation(num_experts, k)


def first_marginal(count_E: Integer[np.ndarray, "E"] | Float[np.ndarray, "E"]) -> float:
    """Chance that two independent draws from what was counted agree: Σ_e p_e²; NaN where nothing was counted."""
    return related_marginal(count_E, np.eye(len(count_E), dtype=bool))


def related_marginal(
    count_C: Integer[np.ndarray, "C"] | Float[np.ndarray, "C"], related_CC: Bool[np.ndarray, "C C"]
) -> float:
    """Chance that two independent draws from what was counted are related; NaN where nothing was counted.

    With routes as what is drawn, and "they share an expert" as the relation, this is the null of ``either``: the sets
    are drawn whole, since the experts of one token are not independent.
    """
    total = count_C.sum()
    if total == 0:
        return math.nan
    share_C = np.asarray(count_C / total, np.float64)
    return float(share_C @ related_CC.astype(np.float64) @ share_C)


def shuffled(count_SC: Integer[np.ndarray, "S C"], related_CC: Bool[np.ndarray, "C C"]) -> Float64[np.ndarray, "S"]:
    """Chance, document by document, that two different tokens drawn from it are related; NaN for fewer than two."""
    count = count_SC.astype(np.float64)
    n_S = count.sum(axis=1)
    relation = related_CC.astype(np.float64)
    pairs_S = ((count @ relation) * count).sum(axis=1) - count @ relation.diagonal()
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(np.where(n_S > 1, pairs_S / (n_S * (n_S - 1)), np.nan))


def expected_over_documents(
    chance_S: Float[np.ndarray, "S"], num_pairs_S: Integer[np.ndarray, "S"]
) -> tuple[float, int]:
    """Sums over documents of chance · pairs and of pairs: what shuffling would give, as a numerator and its weight."""
    counted_S = num_pairs_S > 0
    return float((chance_S[counted_S] * num_pairs_S[counted_S]).sum()), int(num_pairs_S.sum())
