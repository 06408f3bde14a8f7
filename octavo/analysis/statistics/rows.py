"""Rows: the one form in which every statistic gives its results, and what the catalogue says of a statistic.

A row is a dictionary: first the keys that say what was counted (domain, layer, choice, lag, expert ...), then

    value           the figure itself; None where nothing was counted
    null_uniform    what routers that choose evenly at random would give
    null_marginal   what independent choices with the observed frequencies would give
    null_shuffle    what the same tokens would give in another order (permuted within their documents)
    lo, hi          the ends of the interval for value
    n               how many of the things that value is a mean or a share of were counted

each None where there is none. Layers are the model's own numbers; an expert's number means nothing in another layer.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

Row: TypeAlias = dict[str, Any]

RESULTS = ("value", "null_uniform", "null_marginal", "null_shuffle", "lo", "hi", "n")


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """An entry of the catalogue: how a statistic is called, what it means, and what it can be computed from.

    ``function`` takes the source (two sources where ``traces`` is 2), then keywords only, ``selection`` and
    ``intervals`` among them, and returns its rows. ``accumulated`` says that it takes Accumulators as well as rows;
    ``needs`` names the optional columns that it cannot do without: tokens, weights, logits, nll, predictions.
    """

    function: Callable[..., list[Row]]
    meaning: str
    accumulated: bool = False
    needs: frozenset[str] = frozenset()
    traces: int = 1


def row(
    *,
    value: float | None,
    n: int,
    null_uniform: float | None = None,
    null_marginal: float | None = None,
    null_shuffle: float | None = None,
    interval: tuple[float, float] | None = None,
    **keys: Any,
) -> Row:
    """Returns one row, its keys in the order given; with ``n`` 0, or a value that is no number, there is no value."""
    found = _number(value) if n else None
    lo, hi = interval if interval is not None and found is not None else (None, None)
    nulls = (_number(null_uniform), _number(null_marginal), _number(null_shuffle))
    return {**keys, **dict(zip(RESULTS, (found, *nulls, _number(lo), _number(hi), int(n)), strict=True))}


def keys_of(found: Row) -> dict[str, Any]:
    """The part of a row that says what was counted."""
    return {name: each for name, each in found.items() if name not in RESULTS}


def _number(value: float | None) -> float | None:
    return None if value is None or not math.isfinite(value) else float(value)
