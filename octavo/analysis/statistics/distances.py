"""Distances between distributions of counts, in bits.

    H(p) = −Σ p log2 p
    JSD(p, q) = H((p + q) / 2) − (H(p) + H(q)) / 2              0 for equal ones, 1 for disjoint ones
    normalised = JSD / (log2 E − (H(p) + H(q)) / 2)             of what their entropies leave room for

Sources: Lin (1991) for the Jensen-Shannon divergence; the normalised form is that of work on multilingual routing
(Bandarkar et al., arXiv 2510.04694).
"""

import math

import numpy as np
from jaxtyping import Float64, Num

from octavo.analysis.statistics.intervals import ratio


def entropy(count_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    """The entropy of the shares of counts, in bits; NaN where nothing was counted."""
    share_XE = ratio(count_XE, count_XE.sum(axis=-1, keepdims=True))
    return np.asarray(-(share_XE * np.log2(np.where(share_XE > 0, share_XE, 1))).sum(axis=-1))


def divergence(one_XE: Num[np.ndarray, "*X E"], other_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    """The Jensen-Shannon divergence of two counts' shares, each weighing the same, in bits; NaN where one is empty."""
    one, other = (ratio(each, each.sum(axis=-1, keepdims=True)) for each in (one_XE, other_XE))
    apart_X = entropy((one + other) / 2) - (entropy(one) + entropy(other)) / 2
    return np.asarray(np.where(np.isnan(apart_X), np.nan, np.clip(apart_X, 0, 1)))


def normalised_divergence(
    one_XE: Num[np.ndarray, "*X E"], other_XE: Num[np.ndarray, "*X E"]
) -> Float64[np.ndarray, "*X"]:
    """The divergence as a part of what the entropies leave room for; NaN where both are even."""
    room_X = math.log2(one_XE.shape[-1]) - (entropy(one_XE) + entropy(other_XE)) / 2
    return ratio(divergence(one_XE, other_XE), np.where(np.abs(room_X) < 1e-12, 0, room_X))
