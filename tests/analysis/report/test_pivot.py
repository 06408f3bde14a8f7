"""Rows become arrays by their keys; what has no value is NaN, what has no place is left out."""

import numpy as np

from octavo.analysis.report.pivot import pivot, pivot_or_none, where
from octavo.analysis.statistics.rows import row

ROWS = [
    row(domain="b", layer=7, value=0.5, n=2),
    row(domain=None, layer=3, value=0.25, n=4),
    row(domain="a", layer=3, value=None, n=0),
    row(domain="c", layer=3, value=1.0, n=1),
]


def test_each_value_stands_at_its_keys() -> None:
    found = pivot(ROWS, "value", {"domain": ["a", "b", None], "layer": (3, 7)})
    np.testing.assert_array_equal(found, [[np.nan, np.nan], [np.nan, 0.5], [0.25, np.nan]])


def test_a_column_without_a_value_is_none() -> None:
    axes = {"layer": (3, 7)}
    assert pivot_or_none(ROWS, "lo", axes) is None
    assert pivot_or_none([], "value", axes) is None
    assert pivot_or_none(ROWS, "n", axes) is not None


def test_rows_are_chosen_by_their_keys() -> None:
    assert where(ROWS, domain=None) == [ROWS[1]]
    assert where(ROWS, layer=3, domain="a") == [ROWS[2]]
    assert where(ROWS, measure="x") == []
