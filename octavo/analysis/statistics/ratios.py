"""Ratios by document: X numerators and X denominators summed over each document's tokens, and the rows they give.

value_x = Σ_s above[s, x] / Σ_s below[s, x]          over the documents s of a domain, or over all of them
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from jaxtyping import Float64, Num, Shaped

from octavo.analysis.statistics.intervals import DocumentSums, Intervals, interval_of, ratio
from octavo.analysis.statistics.rows import Row, row
from octavo.errors import TraceError

ALL = ""  # stands for a domain where all are counted together


def group_of(domain: str, by: str) -> str:
    """What a domain's documents are counted under: the domain, or ALL; raises TraceError for another ``by``."""
    if by not in ("domain", "all"):
        raise TraceError(f"rows by {by!r}: want by 'domain', or by 'all' for all domains together")
    return domain if by == "domain" else ALL


def name_of(group: str) -> str | None:
    """The domain that rows of a group name: None where they are of all domains."""
    return group if group != ALL else None


@dataclass(slots=True)
class Ratios:
    """Numerators and denominators of X ratios, document by document."""

    sums: DocumentSums = field(default_factory=DocumentSums)

    def add(self, domain: str, above_SX: Num[np.ndarray, "S X"], below_SX: Num[np.ndarray, "S X"]) -> None:
        """Takes a chunk's documents."""
        self.sums.add(domain, np.concatenate([above_SX, below_SX], axis=1))

    def of(self, domain: str) -> tuple[Num[np.ndarray, "X"], Num[np.ndarray, "X"]]:
        """Numerators and denominators over all documents of a domain."""
        above_X, below_X = np.split(self.sums.of(domain).sum(axis=0), 2)
        return above_X, below_X

    def rows(
        self,
        domain: str,
        keys_X: Sequence[dict[str, Any]],
        *,
        intervals: Intervals | None,
        nulls: dict[str, Sequence[float | None]] | None = None,
    ) -> list[Row]:
        """A row for each ratio of a domain, with the keys and the nulls given for each."""
        above_X, below_X = self.of(domain)
        value_X = ratio(above_X, below_X)
        ends_2X = interval_of(self.sums, domain, intervals, _quotients)
        found = []
        for place, keys in enumerate(keys_X):
            ends = None if ends_2X is None else (float(ends_2X[0, place]), float(ends_2X[1, place]))
            chance = {name: each[place] for name, each in (nulls or {}).items()}
            n = round(float(below_X[place]))
            found.append(row(domain=name_of(domain), **keys, value=float(value_X[place]), n=n, interval=ends, **chance))
        return found


def by_document(value_TX: Shaped[np.ndarray, "T *X"], start_S1: Num[np.ndarray, "S1"]) -> Num[np.ndarray, "S *X"]:
    """Sums over the tokens of each document; every document has at least one."""
    wide = value_TX.astype(np.int64) if value_TX.dtype.kind in "biu" else value_TX.astype(np.float64)
    return np.asarray(np.add.reduceat(wide, start_S1[:-1], axis=0))


def _quotients(replicate_RX: Float64[np.ndarray, "R X"]) -> Float64[np.ndarray, "R Y"]:
    above_RY, below_RY = np.split(replicate_RX, 2, axis=1)
    return ratio(above_RY, below_RY)
