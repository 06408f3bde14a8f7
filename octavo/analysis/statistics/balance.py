"""Balance: how unevenly a layer's experts are loaded, from counts and mean probabilities alone.

    max violation    max_e N_e / mean_e N_e − 1                                     0 when even, E/K − 1 at the worst
    cv               standard deviation of N over its mean                          0 when even
    gini             Σ_ij |N_i − N_j| / (2 E Σ N)                                   0 when even
    balance loss     E · Σ_e f_e P_e, f_e = N_e / Σ N                               1 when even, E/K for one set
    pooled           E · Σ_e Σ_rank f_(rank, e) P_e, f and P over all layers        K when even, or covered in turn
    z-loss           mean of (ln Σ_e exp z_e)²                                      (ln E)² for logits of 0

N_e counts assignments over all ranks, P_e is the mean of softmax(z) over all experts. Sources: Wang et al. (2024) for
the first, Switch Transformers (2021) for the balance loss, ST-MoE (2022) for the z-loss. The pooled form is the
widely used one, in its own scale: it counts each rank and pools layers first, so layers that collapse onto different
experts cancel.
"""

import numpy as np
from jaxtyping import Float64, Num

from octavo.analysis.statistics.intervals import ratio


def max_violation(load_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    """How far the busiest expert is above the mean, as a part of the mean; NaN where nothing was counted."""
    return np.asarray(ratio(load_XE.max(axis=-1), load_XE.mean(axis=-1)) - 1)


def variation(load_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    """The coefficient of variation; NaN where nothing was counted."""
    return ratio(load_XE.std(axis=-1), load_XE.mean(axis=-1))


def gini(load_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    """Gini's coefficient; NaN where nothing was counted."""
    num_experts = load_XE.shape[-1]
    weight_E = 2 * np.arange(1, num_experts + 1) - num_experts - 1
    return ratio((np.sort(load_XE, axis=-1) * weight_E).sum(axis=-1), num_experts * load_XE.sum(axis=-1))


def balance_loss(
    load_XE: Num[np.ndarray, "*X E"], probability_XE: Num[np.ndarray, "*X E"]
) -> Float64[np.ndarray, "*X"]:
    """The balance loss of each layer by itself; probabilities may be sums in any unit."""
    num_experts = load_XE.shape[-1]
    f_XE = ratio(load_XE, load_XE.sum(axis=-1, keepdims=True))
    P_XE = ratio(probability_XE, probability_XE.sum(axis=-1, keepdims=True))
    return np.asarray(num_experts * (f_XE * P_XE).sum(axis=-1))


def pooled_balance_loss(rank_LKE: Num[np.ndarray, "L K E"], probability_LE: Num[np.ndarray, "L E"]) -> float:
    """The balance loss with layers pooled first and each rank counted, as it stands in much training code."""
    num_ranks = rank_LKE.shape[1]
    return float(num_ranks * balance_loss(rank_LKE.sum(axis=(0, 1)), probability_LE.sum(axis=0)))
