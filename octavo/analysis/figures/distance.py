"""Distances: how differently two domains use the experts of a layer, beside what relabeled documents would give."""

from collections.abc import Sequence

import numpy as np

from octavo.analysis.figures.colours import SHARES
from octavo.analysis.figures.figure import Figure, Sheet, in_order, pick
from octavo.analysis.statistics.rows import Row

FEW = 9  # domains whose numbers are written into their cells


def distance_maps(rows: Sequence[Row]) -> Figure:
    """A matrix for each layer: above the diagonal the divergence of two domains, below it its shuffle null.

    ``rows`` are those of ``domain-specialisation`` with the measure ``jsd``.
    """
    rows = pick(rows, measure="jsd")
    layers = in_order(rows, "layer")
    domains = sorted({each["domain"] for each in rows} | {each["other"] for each in rows})
    grids = {layer: matrix(pick(rows, layer=layer), domains) for layer in layers}
    most = max([0.01, *(float(np.nanmax(grid)) for grid in grids.values() if np.isfinite(grid).any())])
    has_null = any(each["null_shuffle"] is not None for each in rows)

    def draw(sheet: Sheet) -> None:
        many = sheet.subplots(1, len(layers), squeeze=False, sharey=True)
        for layer, axes in zip(layers, many[0], strict=True):
            shown = axes.imshow(grids[layer], cmap=SHARES, vmin=0, vmax=most, interpolation="nearest", aspect="auto")
            axes.set_title(f"layer {layer}", loc="left", pad=3)
            axes.grid(visible=False)
            axes.set_xticks(range(len(domains)), labels=domains, rotation=90)
            axes.set_yticks(range(len(domains)), labels=domains)
            if len(domains) <= FEW:
                _write(axes, grids[layer], most)
        bar = sheet.colorbar(shown, ax=list(many[0]), shrink=0.8, pad=0.01)
        bar.set_label("bits")

    return Figure(
        name="distance",
        title="How differently domains use the experts",
        caption=(
            "Jensen-Shannon divergence in bits of two domains' shares of the assignments: 0 where they use the experts "
            "alike, 1 where they share none. Above the diagonal what was found"
            + (
                ", below it the mean over random relabelings of their documents, what alike domains would give"
                * has_null
            )
            + f". {_documents(rows)}"
        ),
        rows=rows,
        draw=draw,
        width=1.6 + max(1.9, 0.17 * len(domains)) * len(layers) + 0.6,
        height=1.6 + max(1.6, 0.17 * len(domains)),
    )


def matrix(rows: Sequence[Row], domains: Sequence[str]) -> np.ndarray:
    """The divergences above the diagonal and their nulls below it, [domains, domains]; NaN where there is none."""
    grid = np.full((len(domains), len(domains)), np.nan)
    for each in rows:
        one, other = sorted((domains.index(each["domain"]), domains.index(each["other"])))
        for place, found in (((one, other), each["value"]), ((other, one), each["null_shuffle"])):
            if found is not None:
                grid[place] = found
    return grid


def _write(axes: Sheet, grid: np.ndarray, most: float) -> None:
    for (line, column), found in np.ndenumerate(grid):
        if np.isfinite(found):
            ink = "#FFFFFF" if found < most / 2 else "#000000"
            text = f"{found:.2f}" if most > 0.1 else f"{1000 * found:.1f}m"
            axes.text(column, line, text, color=ink, fontsize=5.5, ha="center", va="center")


def _documents(rows: Sequence[Row]) -> str:
    counts = [each["n"] for each in rows]
    low, high = min(counts, default=0), max(counts, default=0)
    return f"n is {low:,} a pair." if low == high else f"n is {low:,} to {high:,} a pair."
