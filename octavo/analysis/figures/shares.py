"""Figures 7 and 9 of the Mixtral paper at any layers, and the same for all layers at once.

share(d, l, e) = N(d, l, e) / Σ_e' N(d, l, e')      assignments, so that chance is 1/E
"""

import math
from collections.abc import Sequence

import numpy as np

from octavo.analysis.figures.colours import AROUND, CHANCE, look
from octavo.analysis.figures.figure import Figure, Sheet, in_order, pick, tokens_counted
from octavo.analysis.statistics.rows import Row

CHOICES = {"either": "either choice", "first": "first choice", "second": "second choice"}


def share_bars(rows: Sequence[Row], *, choices: Sequence[str] = ("either",), name: str = "figure-7") -> Figure:
    """Bars by expert and domain, a panel for each layer and choice; ``rows`` are those of ``assignment-share``."""
    rows = [each for each in rows if each["choice"] in choices]
    layers, domains = in_order(rows, "layer"), in_order(rows, "domain")
    panels = [(layer, choice) for layer in layers for choice in choices]

    def draw(sheet: Sheet) -> None:
        many = sheet.subplots(len(layers), len(choices), sharex=True, sharey=True, squeeze=False)
        for (layer, choice), axes in zip(panels, many.flat, strict=True):
            _bars(axes, pick(rows, layer=layer, choice=choice), domains)
            axes.set_title(f"layer {layer}" + (f", {CHOICES[choice]}" if len(choices) > 1 else ""), loc="left", pad=3)
        for axes in many[:, 0]:
            axes.set_ylabel("share of assignments")
        for axes in many[-1]:
            axes.set_xlabel("expert" if len(choices) > 1 else "expert (its number means something in its layer only)")
        handles, names = many.flat[0].get_legend_handles_labels()
        sheet.legend(handles, names, loc="outside right upper")

    several = len(choices) > 1
    return Figure(
        name=name,
        title="Shares of the experts by domain",
        caption=(
            f"Share of the assignments that each expert got, {_counted(choices)}, "
            f"{tokens_counted(rows, 'assignments')} a domain, layer and choice. Dashed: what "
            f"even chance would give, 1/E = {rows[0]['null_uniform']:.3g}. "
            "Lines on the bars: 95 % intervals over documents, where the trace has them."
        ),
        rows=rows,
        draw=draw,
        width=9.5 if several else 7.5,
        height=1.0 + 1.35 * len(layers),
    )


def _counted(choices: Sequence[str]) -> str:
    if len(choices) > 1:
        return "by rank of the choice"
    return {"either": "first and other choices together"}.get(choices[0], f"{choices[0]} choices only")


def _bars(axes: Sheet, rows: Sequence[Row], domains: Sequence[str]) -> None:
    width = 0.84 / len(domains)
    for number, domain in enumerate(domains):
        mine = pick(rows, domain=domain)
        style = look(number)
        place = np.array([each["expert"] for each in mine]) + (number - (len(domains) - 1) / 2) * width
        value = np.array([np.nan if each["value"] is None else each["value"] for each in mine])
        axes.bar(
            place,
            value,
            width * 0.92,
            label=domain,
            color=style.colour,
            hatch=style.hatch,
            edgecolor="white",
            linewidth=0,
        )
        held = [(x, each) for x, each in zip(place, mine, strict=True) if each["lo"] is not None]
        if held:
            axes.vlines([x for x, _ in held], [e["lo"] for _, e in held], [e["hi"] for _, e in held], "#222222", lw=0.5)
    axes.axhline(rows[0]["null_uniform"], color=CHANCE, linestyle="--", linewidth=0.8)
    axes.set_xticks(sorted({each["expert"] for each in rows}))


def share_map(rows: Sequence[Row], *, choice: str = "either") -> Figure:
    """All layers at once: a panel for each domain, a row for each layer, each cell a share over chance."""
    rows = [each for each in rows if each["choice"] == choice]
    layers, domains = in_order(rows, "layer"), in_order(rows, "domain")
    experts = sorted({each["expert"] for each in rows})
    uniform = rows[0]["null_uniform"]
    grid = {domain: np.full((len(layers), len(experts)), np.nan) for domain in domains}
    for each in rows:
        if each["value"] is not None:
            grid[each["domain"]][layers.index(each["layer"]), experts.index(each["expert"])] = each["value"] / uniform
    most = scale_of([each["value"] / uniform for each in rows if each["value"] is not None])
    across = min(len(domains), 5)
    down = -(-len(domains) // across)

    def draw(sheet: Sheet) -> None:
        many = sheet.subplots(down, across, squeeze=False, sharex=True, sharey=True)
        for axes in many.flat[len(domains) :]:
            axes.set_visible(False)
        for domain, axes in zip(domains, many.flat, strict=False):
            shown = axes.imshow(
                np.log2(np.clip(grid[domain], 1 / most, most)),
                aspect="auto",
                cmap=AROUND,
                vmin=-np.log2(most),
                vmax=np.log2(most),
                interpolation="nearest",
                extent=(-0.5, len(experts) - 0.5, len(layers) - 0.5, -0.5),
            )
            axes.set_title(domain, loc="left", pad=3)
            axes.grid(visible=False)
            _ticks(axes, layers, experts)
        bar = sheet.colorbar(shown, ax=list(many.flat), shrink=0.8, pad=0.01)
        steps = [each for each in (1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8) if 1 / most <= each <= most]
        bar.set_ticks([float(np.log2(each)) for each in steps], labels=[f"{each:g}×" for each in steps])
        bar.set_label("share over chance")
        for place in range(down):
            many[place, 0].set_ylabel("layer")
        for axes in many[-1]:
            axes.set_xlabel("expert")

    return Figure(
        name="share-map",
        title="Shares of the experts by domain, in all layers",
        caption=(
            f"Share of the assignments that each expert got, {CHOICES[choice]}, over what even chance would give "
            f"(1/E = {uniform:.3g}), on a scale of doublings; {tokens_counted(rows, 'assignments')} a domain and "
            "layer. An expert's number names another expert in every layer, so columns do not add up."
        ),
        rows=rows,
        draw=draw,
        width=8.0,
        height=0.7 + down * max(1.3, 0.11 * len(layers) + 0.4),
    )


def scale_of(lifts: Sequence[float]) -> float:
    """The end of a scale of doublings that holds what is over chance: 2, 4 or 8."""
    return min(8.0, max(2.0, 2.0 ** math.ceil(math.log2(max(lifts, default=1.0)) - 1e-9)))


def _ticks(axes: Sheet, layers: Sequence[int], experts: Sequence[int]) -> None:
    step = max(1, len(layers) // 8)
    axes.set_yticks(range(0, len(layers), step), labels=layers[::step])
    axes.set_xticks(range(0, len(experts), max(1, len(experts) // 8)))
