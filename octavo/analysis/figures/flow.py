"""Transitions: to which experts of the next layer the tokens of an expert go, beside how often those are chosen at all.

lift = P(e' | e) / P(e')      1 where the next layer does not know where a token comes from
"""

from collections.abc import Sequence

import numpy as np

from octavo.analysis.figures.colours import AROUND
from octavo.analysis.figures.figure import Figure, Sheet, in_order, pick, tokens_counted
from octavo.analysis.statistics.rows import Row

MOST = 8.0  # a lift beyond this has the colour of this


def transition_maps(rows: Sequence[Row]) -> Figure:
    """A map for each domain and pair of layers; ``rows`` are those of ``transitions``."""
    ways = list(dict.fromkeys((each["domain"], each["layer"], each["next_layer"]) for each in rows))
    steps = list(dict.fromkeys(way[1:] for way in ways))
    domains = in_order(rows, "domain")

    def draw(sheet: Sheet) -> None:
        many = sheet.subplots(len(domains), len(steps), squeeze=False)
        for (domain, layer, following), axes in zip(ways, many.flat, strict=True):
            lifts = lift_EE(pick(rows, domain=domain, layer=layer, next_layer=following))
            shown = axes.imshow(
                np.log2(np.clip(lifts, 1 / MOST, MOST)),
                cmap=AROUND,
                vmin=-np.log2(MOST),
                vmax=np.log2(MOST),
                interpolation="nearest",
            )
            axes.grid(visible=False)
            axes.tick_params(length=1.5, labelleft=(layer, following) == steps[0])
            if domain == domains[0]:
                axes.set_title(f"layer {layer} → {following}", pad=3)
            if (layer, following) == steps[0]:
                axes.set_ylabel(f"{domain}\nfrom expert")
        for axes in many[-1]:
            axes.set_xlabel("to expert")
        bar = sheet.colorbar(shown, ax=list(many.flat), shrink=0.7, pad=0.01)
        bar.set_ticks([-3, -2, -1, 0, 1, 2, 3], labels=["1/8×", "1/4×", "1/2×", "1×", "2×", "4×", "8×"])
        bar.set_label("over the expert's share")

    return Figure(
        name="transitions",
        title="From the experts of one layer to those of another",
        caption=(
            "How often the tokens of an expert (row) go to an expert of the later layer (column), over how often that "
            f"expert is chosen at all: 1× is what tokens that forget their past would give; {_pairs(rows)}; "
            f"{tokens_counted(rows)} a row. Experts have numbers of their own in each layer, so the diagonal means "
            "nothing."
        ),
        rows=rows,
        draw=draw,
        width=max(4.0, 1.2 + 1.5 * len(steps)),
        height=0.9 + 1.35 * len(domains),
    )


def lift_EE(rows: Sequence[Row]) -> np.ndarray:
    """Lifts of one pair of layers, [E, E]; NaN where nothing was counted or could be expected."""
    experts = sorted({each["expert"] for each in rows})
    found = np.full((len(experts), len(experts)), np.nan)
    for each in rows:
        if each["value"] is not None and each["null_marginal"]:
            found[each["expert"], each["next_expert"]] = each["value"] / each["null_marginal"]
    return found


def _pairs(rows: Sequence[Row]) -> str:
    names = {
        "first": "first choices",
        "all": "every choice with every choice",
        "same-rank": "choices of the same rank",
    }
    return names.get(rows[0].get("pairs", "first"), "first choices")
