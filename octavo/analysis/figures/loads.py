"""Load: how unevenly each layer's experts are used, layer by layer and domain by domain."""

from collections.abc import Sequence

from octavo.analysis.figures.colours import CHANCE, look
from octavo.analysis.figures.figure import Figure, Sheet, in_order, pick, tokens_counted
from octavo.analysis.statistics.rows import Row

MEASURES = {
    "max-violation": "busiest expert over the mean, less 1",
    "cv": "coefficient of variation",
    "gini": "Gini's coefficient",
    "balance-loss": "balance loss of the layer",
    "z-loss": "z-loss of the layer",
}


def load_by_layer(rows: Sequence[Row], *, together: Sequence[Row] = (), measure: str = "max-violation") -> Figure:
    """A line for each domain; ``rows`` are those of ``load`` by domain, ``together`` those of all domains, in black."""
    rows, together = pick(rows, measure=measure), pick(together, measure=measure)
    domains = in_order(rows, "domain")

    def draw(sheet: Sheet) -> None:
        axes = sheet.subplots()
        for number, domain in enumerate(domains):
            _curve(axes, [each for each in pick(rows, domain=domain) if each["value"] is not None], number, domain)
        if together:
            layers, values = [each["layer"] for each in together], [each["value"] for each in together]
            axes.plot(layers, values, color="#000000", linewidth=2.2, label="all domains together")
        axes.axhline(rows[0]["null_uniform"], color=CHANCE, linestyle="--", linewidth=0.8, label="even use")
        axes.set_xlabel("layer")
        axes.set_ylabel(MEASURES[measure])
        axes.xaxis.get_major_locator().set_params(integer=True)
        handles, names = axes.get_legend_handles_labels()
        sheet.legend(handles, names, loc="outside right upper")

    return Figure(
        name="load",
        title="How unevenly the experts of each layer are used",
        caption=(
            f"{MEASURES[measure].capitalize()}, from assignments of every rank; {tokens_counted(rows)} a domain. "
            "Dashed: even use. Bands: 95 % intervals over documents. A model that is even over all its text may be "
            "uneven in every domain of it."
        ),
        rows=[*rows, *together],
        draw=draw,
        width=7.5,
        height=3.2,
    )


def _curve(axes: Sheet, rows: Sequence[Row], number: int, domain: str) -> None:
    style, layers = look(number), [each["layer"] for each in rows]
    (line,) = axes.plot(
        layers, [each["value"] for each in rows], marker=style.mark, color=style.colour, label=domain, linewidth=0.9
    )
    if style.dashes:
        line.set_dashes(style.dashes)
    if rows and all(each["lo"] is not None for each in rows):
        low, high = [each["lo"] for each in rows], [each["hi"] for each in rows]
        axes.fill_between(layers, low, high, color=style.colour, alpha=0.12, linewidth=0)
