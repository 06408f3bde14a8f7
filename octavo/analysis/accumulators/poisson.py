"""Poisson weights: how often each replicate of a bootstrap counts a document, known from the document's number alone.

A weight is Poisson(1) at the quantile h(seed, domain, document, replicate) / 2^64, with h the mix of splitmix64. So any
number of processes, each with some of the documents and in any order, give the same replicates, which add.
Source: Chamandy et al., Estimating Uncertainty for Massive Data Streams (2012), for the Poisson bootstrap; Steele, Lea
and Flood, Fast Splittable Pseudorandom Number Generators (2014), for the mix.
"""

import math
import zlib

import numpy as np
from jaxtyping import Float64, Integer, UInt64

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MOST = 24  # the chance of a weight above this is below 2^-64
QUANTILES = np.cumsum([math.exp(-1) / math.factorial(weight) for weight in range(MOST)])


def poisson_weights(
    document_S: Integer[np.ndarray, "S"], domain: str, *, replicates: int, seed: int
) -> Float64[np.ndarray, "R S"]:
    """The weight of each document in each replicate."""
    origin = np.array([seed], np.uint64) ^ np.uint64(zlib.crc32(domain.encode()) << 32)
    document_S1 = _mixed(document_S.astype(np.uint64) + _mixed(origin))
    number_RS = _mixed(document_S1 + np.arange(1, replicates + 1, dtype=np.uint64)[:, None] * GOLDEN)
    return np.searchsorted(QUANTILES, number_RS.astype(np.float64) / 2.0**64, side="right").astype(np.float64)


def _mixed(number_X: UInt64[np.ndarray, "*X"]) -> UInt64[np.ndarray, "*X"]:
    mixed_X = number_X + GOLDEN
    mixed_X = (mixed_X ^ (mixed_X >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed_X = (mixed_X ^ (mixed_X >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return np.asarray(mixed_X ^ (mixed_X >> np.uint64(31)))
