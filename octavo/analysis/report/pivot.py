"""Pivot: rows of a statistic turned into arrays, one axis for each of their keys, NaN where no row has a value."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float64

from octavo.analysis.statistics.rows import Row


def pivot(rows: Iterable[Row], column: str, axes: Mapping[str, Sequence[Any]]) -> Float64[np.ndarray, "..."]:
    """The values of ``column``, by the keys named in ``axes``; rows that have another value of a key are left out."""
    places = [{value: place for place, value in enumerate(values)} for values in axes.values()]
    found = np.full([len(values) for values in axes.values()], np.nan)
    for row in rows:
        index = tuple(known.get(row[key], -1) for key, known in zip(axes, places, strict=True))
        if min(index, default=0) >= 0 and row[column] is not None:
            found[index] = row[column]
    return found


def pivot_or_none(
    rows: Iterable[Row], column: str, axes: Mapping[str, Sequence[Any]]
) -> Float64[np.ndarray, "..."] | None:
    """The same, None where not one row has a value."""
    found = pivot(rows, column, axes)
    return None if np.isnan(found).all() else found


def where(rows: Iterable[Row], **keys: Any) -> list[Row]:
    """The rows that have these keys."""
    return [row for row in rows if all(row.get(key) == value for key, value in keys.items())]
