"""How sure the router was, as counts that add: histograms, and sums in whole units of 2^-24.

p = softmax(z) over all experts     margin = p(1) − p(2)     entropy = H(p) / ln E     z_squared = (ln Σ exp z)²
"""

import math

import numpy as np
from jaxtyping import Bool, Float, Int64

from octavo.analysis.accumulators.contents import BINS, UNITS
from octavo.analysis.chunk import Chunk

Table = Int64[np.ndarray, "..."]


def count_confidence(chunk: Chunk, keep_T: Bool[np.ndarray, "T"]) -> dict[str, Table]:
    """Counts the rows that count of a chunk with weights, logits or both, layer by layer."""
    found: dict[str, Table] = {}
    sum_L3 = np.zeros((len(chunk.expert_LTK), 3), np.int64)
    if chunk.weight_LTK is not None:
        weight_LT = chunk.weight_LTK[:, keep_T, 0].astype(np.float64)
        found["weight"] = histograms(weight_LT)
        sum_L3[:, 0] = whole(weight_LT).sum(axis=1)
    if chunk.logits_LTE is not None:
        layers = [_of_logits(logits_TE[keep_T].astype(np.float64)) for logits_TE in chunk.logits_LTE]
        for name in ("margin", "entropy", "probability", "z_squared"):
            found[name] = np.stack([each[name] for each in layers])
        sum_L3[:, 1:] = np.stack([each["sums"] for each in layers])
    return {**found, "confidence": sum_L3}


def _of_logits(logits_TE: Float[np.ndarray, "T E"]) -> dict[str, Table]:
    top_T1 = logits_TE.max(axis=1, keepdims=True) if len(logits_TE) else np.zeros((0, 1))
    exponent_TE = np.exp(logits_TE - top_T1)
    total_T1 = exponent_TE.sum(axis=1, keepdims=True)
    p_TE = exponent_TE / total_T1
    z_T = top_T1[:, 0] + np.log(total_T1[:, 0])
    num_experts = logits_TE.shape[1]
    sorted_TE = np.sort(p_TE, axis=1)
    margin_T = sorted_TE[:, -1] - sorted_TE[:, -2] if num_experts > 1 else np.ones(len(p_TE))
    entropy_T = -(p_TE * np.log(np.where(p_TE > 0, p_TE, 1))).sum(axis=1) / math.log(max(2, num_experts))
    return {
        "margin": histograms(margin_T[None])[0],
        "entropy": histograms(entropy_T[None])[0],
        "probability": whole(p_TE).sum(axis=0),
        "z_squared": whole(z_T**2).sum(),
        "sums": np.stack([whole(margin_T).sum(), whole(entropy_T).sum()]),
    }


def whole(value_X: Float[np.ndarray, "*X"]) -> Int64[np.ndarray, "*X"]:
    """Values in whole units of 2^-24."""
    return np.asarray(np.rint(value_X * UNITS), np.int64)


def histograms(value_LT: Float[np.ndarray, "L T"]) -> Int64[np.ndarray, "L B"]:
    """Counts of values from 0 to 1 in 256 equal bins, the last one with its upper end."""
    bin_LT = np.clip(value_LT * BINS, 0, BINS - 1).astype(np.int64)
    return np.stack([np.bincount(bin_T, minlength=BINS) for bin_T in bin_LT])
