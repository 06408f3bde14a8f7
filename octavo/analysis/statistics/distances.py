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
    return _entropy(_shares(count_XE))


def divergence(one_XE: Num[np.ndarray, "*X E"], other_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    """The Jensen-Shannon divergence of two counts' shares, each weighing the same, in bits; NaN where one is empty."""
    return divergences(one_XE, other_XE)[0]


def divergences(
    one_XE: Num[np.ndarray, "*X E"], other_XE: Num[np.ndarray, "*X E"]
) -> tuple[Float64[np.ndarray, "*X"], Float64[np.ndarray, "*X"]]:
    """The divergence, and the same as a part of what the entropies leave room for: NaN where both are even."""
    one, other = _shares(one_XE), _shares(other_XE)
    mean_X = (_entropy(one) + _entropy(other)) / 2
    apart_X = np.clip(_entropy((one + other) / 2) - mean_X, 0, 1)
    room_X = math.log2(one_XE.shape[-1]) - mean_X
    return np.asarray(apart_X), ratio(apart_X, np.where(np.abs(room_X) < 1e-12, 0, room_X))


def _shares(count_XE: Num[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X E"]:
    return ratio(count_XE, count_XE.sum(axis=-1, keepdims=True))


def _entropy(share_XE: Float64[np.ndarray, "*X E"]) -> Float64[np.ndarray, "*X"]:
    bits_XE = np.log2(share_XE, where=share_XE > 0, out=np.zeros_like(share_XE))
    return np.asarray(-np.einsum("...e,...e->...", share_XE, bits_XE))
