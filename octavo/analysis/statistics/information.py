"""Information: entropies in bits from counts, and the two ways in which their bias is taken off.

    H(E) = −Σ_e p_e log2 p_e                     plug-in: too small by about (m − 1) / (2 n ln 2) bits, m cells in use,
    H_MM = H + (m − 1) / (2 n ln 2)              which Miller and Madow add (G. Miller, 1955)
    I(E; X) = H(E) − H(E | X)                    plug-in: too great, above all where X has many rare values

    adjusted: I' = H · (I − Ī) / (H − Ī)         Ī the mean plug-in when X is dealt out by chance, H the most I can be

The adjusted form (N. X. Vinh, J. Epps, J. Bailey, JMLR 11, 2010) is 0 on average when X says nothing, and exactly H
when X says everything; merely subtracting Ī would give less than H then.
"""

import math

import numpy as np
from jaxtyping import Float, Integer

BITS = 1 / math.log(2)
# n log2 n of the counts that are met most: looked up, not computed, since tables of counts are long and mostly small.
SMALL_N = np.append(0.0, np.arange(1, 4096) * np.log2(np.arange(1, 4096)))


def n_log_n(count_X: Integer[np.ndarray, "*X"]) -> float:
    """Σ n log2 n over all counts, 0 for the empty ones."""
    few_X = count_X < len(SMALL_N)
    many = count_X[~few_X].astype(np.float64)
    return float(SMALL_N[np.where(few_X, count_X, 0)].sum() + (many * np.log2(many)).sum())


def entropy(count_X: Integer[np.ndarray, "*X"], *, miller_madow: bool = False) -> float:
    """H of what was counted, in bits; NaN where nothing was."""
    n = int(count_X.sum())
    if not n:
        return math.nan
    plug_in = math.log2(n) - n_log_n(count_X) / n
    used = int((count_X > 0).sum())
    return plug_in + ((used - 1) / (2 * n) * BITS if miller_madow else 0.0)


def conditional_entropy(count_XE: Integer[np.ndarray, "X E"]) -> float:
    """H(E | X) of a table of counts, in bits, plug-in; NaN where nothing was counted."""
    n = int(count_XE.sum())
    return (n_log_n(count_XE.sum(axis=1)) - n_log_n(count_XE)) / n if n else math.nan


def mutual_information(count_XE: Integer[np.ndarray, "X E"], *, miller_madow: bool = False) -> float:
    """I(X; E) of a table of counts, in bits: H(X) + H(E) − H(X, E)."""
    x, e, joint = (
        entropy(each, miller_madow=miller_madow) for each in (count_XE.sum(axis=1), count_XE.sum(axis=0), count_XE)
    )
    return x + e - joint


def adjusted(found: float, chance: float, most: float) -> float:
    """I' of a plug-in information, its mean by chance, and the most that it can be."""
    return most * (found - chance) / (most - chance) if most - chance > 1e-12 else 0.0


def jackknife_spread(leaving_out_GX: Float[np.ndarray, "G X"]) -> Float[np.ndarray, "X"]:
    """The standard error of an estimate from G estimates, each made without one of G groups of documents.

    √((G − 1)/G · Σ_g (v_g − v̄)²), the delete-a-group jackknife.
    """
    groups = len(leaving_out_GX)
    apart_GX = leaving_out_GX - leaving_out_GX.mean(axis=0)
    return np.asarray(np.sqrt((groups - 1) / groups * (apart_GX**2).sum(axis=0)))
