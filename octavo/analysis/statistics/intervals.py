"""Intervals: how far a figure would move had other documents of the same kind been traced.

Documents are drawn again with replacement, as many as there are (Efron's bootstrap with the document as its unit, since
the tokens of one document are not independent). Each of R replicates weighs document s with how often it was drawn; the
ends of the interval are quantiles of the replicates. The draws depend on the seed and the domain's name alone, so that
every statistic of a domain sees the same ones.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from jaxtyping import Float64, Int64, Num

from octavo.errors import TraceError

Numbers: TypeAlias = Num[np.ndarray, "..."] | np.number[Any] | float | int
DOCUMENTS_AT_ONCE = 1 << 24  # weights drawn at a time: replicates × documents


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """How intervals are made: the number of replicates, the chance that an interval holds, and the seed."""

    replicates: int = 1000
    level: float = 0.95
    seed: int = 0

    def __post_init__(self) -> None:
        if self.replicates < 2:
            raise TraceError(f"{self.replicates} replicates: an interval wants 2 or more, 1000 are usual")
        if not 0 < self.level < 1:
            raise TraceError(f"a level of {self.level}: want it between 0 and 1, as 0.95")
        if self.seed < 0:
            raise TraceError(f"a seed of {self.seed}: want 0 or more")

    def quantiles(self, replicate_RX: Float64[np.ndarray, "R *X"]) -> Float64[np.ndarray, "2 *X"]:
        """The ends of the interval of each column; NaN where fewer than two replicates are numbers."""
        tail = (1 - self.level) / 2
        if len(replicate_RX) > 1 and np.isfinite(replicate_RX).all():  # the same, many times as fast
            return np.asarray(np.quantile(replicate_RX, [tail, 1 - tail], axis=0))
        known_X = np.isfinite(replicate_RX).sum(axis=0) > 1
        safe_RX = np.where(known_X & np.isfinite(replicate_RX), replicate_RX, np.nan)
        safe_RX[:, ~known_X] = 0.0
        ends_2X = np.nanquantile(safe_RX, [tail, 1 - tail], axis=0)
        return np.asarray(np.where(known_X, ends_2X, np.nan))


@dataclass(slots=True)
class DocumentSums:
    """Sums of X quantities by document, kept domain by domain; its memory grows with documents, not with tokens."""

    parts: dict[str, list[Num[np.ndarray, "S X"]]] = field(default_factory=dict)

    def add(self, domain: str, sum_SX: Num[np.ndarray, "S X"]) -> None:
        """Takes the sums of a chunk's documents, in order."""
        self.parts.setdefault(domain, []).append(sum_SX)

    def of(self, domain: str) -> Num[np.ndarray, "S X"]:
        """The sums of all documents of a domain, in the order in which they came; raises KeyError for another."""
        parts = self.parts[domain]
        if len(parts) > 1:
            parts[:] = [np.concatenate(parts)]
        return parts[0]

    def replicates(self, domain: str | tuple[str, ...], intervals: Intervals) -> Float64[np.ndarray, "R X"] | None:
        """The sums over each replicate's documents, drawn from a domain or from all of several domains together.

        None where there are fewer than two documents.
        """
        domains = (domain,) if isinstance(domain, str) else domain
        sum_SX = np.concatenate([self.of(each) for each in domains]).astype(np.float64)
        num_documents = len(sum_SX)
        if num_documents < 2:
            return None
        found = np.empty((intervals.replicates, sum_SX.shape[1]))
        at_once = max(1, DOCUMENTS_AT_ONCE // num_documents)
        rng = generator(intervals.seed, "/".join(domains))
        for start in range(0, intervals.replicates, at_once):
            num = min(at_once, intervals.replicates - start)
            found[start : start + num] = document_weights(rng, num, num_documents) @ sum_SX
        return found


def generator(seed: int, domain: str) -> np.random.Generator:
    """The random numbers of one domain."""
    return np.random.default_rng([seed, zlib.crc32(domain.encode())])


def document_weights(rng: np.random.Generator, replicates: int, num_documents: int) -> Float64[np.ndarray, "R S"]:
    """How often each replicate draws each document: rows sum to the number of documents."""
    even_S = np.full(num_documents, 1 / num_documents)
    return np.asarray(rng.multinomial(num_documents, even_S, size=replicates).astype(np.float64))


def interval_of(
    documents: DocumentSums,
    domain: str,
    intervals: Intervals | None,
    estimate: Callable[[Float64[np.ndarray, "R X"]], Float64[np.ndarray, "R *Y"]],
) -> Float64[np.ndarray, "2 *Y"] | None:
    """The interval of what ``estimate`` makes of a domain's sums; None without ``intervals`` or below two documents."""
    if intervals is None or domain not in documents.parts:
        return None
    replicate_RX = documents.replicates(domain, intervals)
    if replicate_RX is None:
        return None
    with np.errstate(invalid="ignore", divide="ignore"):
        return intervals.quantiles(estimate(replicate_RX))


def ratio(above: Numbers, below: Numbers) -> Float64[np.ndarray, "..."]:
    """Quotients, of one shape or as numpy broadcasts; NaN where the lower number is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        below_X = np.asarray(below, np.float64)
        return np.asarray(np.divide(np.asarray(above, np.float64), np.where(below_X == 0, np.nan, below_X)))


def total(sum_SX: Num[np.ndarray, "S X"]) -> Int64[np.ndarray, "X"]:
    """Sums over all documents, exact."""
    return np.asarray(sum_SX.sum(axis=0, dtype=np.int64))
