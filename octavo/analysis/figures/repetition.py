"""Table 5 and Figure 10 of the Mixtral paper: how often neighbours in the text go to the same expert.

first    mean over neighbours i, i + 1 of [first(i) = first(i + 1)]
either   mean of [the chosen of i and of i + 1 have an expert in common]
"""

from collections.abc import Sequence

from octavo.analysis.figures.colours import CHANCE, look
from octavo.analysis.figures.figure import Figure, Sheet, in_order, percent, pick, tokens_counted
from octavo.analysis.figures.tables import Cells
from octavo.analysis.statistics.rows import Row

CHOICES = {"first": "First choice", "either": "First or second choice"}


def repetition_table(rows: Sequence[Row], *, compared: Sequence[Row] = (), compared_with: str = "") -> Figure:
    """Table 5: a line for each domain; drawn as points with intervals beside their nulls.

    ``rows`` are those of ``repetition`` at one lag. ``compared`` are rows of another model or of the paper, drawn as
    open marks in the line of the domain of the same name; ``compared_with`` says whose they are.
    """
    rows = [each for each in rows if each["choice"] in CHOICES]
    layers, domains, choices = in_order(rows, "layer"), in_order(rows, "domain"), in_order(rows, "choice")

    def draw(sheet: Sheet) -> None:
        many = sheet.subplots(1, len(choices), sharey=True, squeeze=False)[0]
        for choice, axes in zip(choices, many, strict=True):
            _points(axes, pick(rows, choice=choice), domains, layers)
            _open_points(axes, pick(compared, choice=choice), domains, layers)
            axes.set_title(CHOICES[choice], loc="left", pad=3)
            axes.set_xlabel("pairs of neighbours that repeat, %")
        many[0].set_yticks(range(len(domains)), labels=domains)
        many[0].invert_yaxis()
        handles, names = many[0].get_legend_handles_labels()
        sheet.legend(handles, names, loc="outside right upper")

    return Figure(
        name="table-5",
        title="Neighbours that go to the same expert",
        caption=(
            "Share of pairs of neighbouring tokens that repeat an expert, in per cent, "
            f"{tokens_counted(rows, 'pairs')} a domain; even chance gives "
            f"{' and '.join(percent(each) + ' %' for each in _uniform(rows))}."
        ),
        marks=(
            "Lines: 95 % intervals over documents. Small bars: what independent tokens with the observed frequencies "
            "would give. Dashed: even chance." + (f" Open marks: {compared_with}." if compared else "")
        ),
        rows=rows,
        draw=draw,
        width=7.5,
        height=0.9 + 0.27 * len(domains) * max(1, len(layers) / 3),
        table=lambda: table_cells(rows),
    )


def table_cells(rows: Sequence[Row]) -> Cells:
    """The table in the paper's layout, in per cent: a line for each domain, then chance."""
    layers, domains = in_order(rows, "layer"), in_order(rows, "domain")
    columns = [(choice, layer) for choice in in_order(rows, "choice") for layer in layers]
    head = ["", *(f"{CHOICES[choice]}, layer {layer}" for choice, layer in columns)]

    def line(name: str, result: str, domain: str) -> list[str]:
        found = (pick(rows, domain=domain, choice=choice, layer=layer) for choice, layer in columns)
        return [name, *(percent(each[0][result]) if each else "–" for each in found)]

    body = [line(domain, "value", domain) for domain in domains]
    return [head, *body, line("Even chance", "null_uniform", domains[0])]


def _uniform(rows: Sequence[Row]) -> list[float]:
    return [pick(rows, choice=choice)[0]["null_uniform"] for choice in in_order(rows, "choice")]


def _points(axes: Sheet, rows: Sequence[Row], domains: Sequence[str], layers: Sequence[int]) -> None:
    for number, layer in enumerate(layers):
        style, mine = look(number), pick(rows, layer=layer)
        mine = [each for each in mine if each["value"] is not None]
        height = [_line(domains, layers, each["domain"], number) for each in mine]
        axes.plot([100 * e["value"] for e in mine], height, style.mark, color=style.colour, label=f"layer {layer}")
        for y, each in zip(height, mine, strict=True):
            if each["lo"] is not None:
                axes.plot([100 * each["lo"], 100 * each["hi"]], [y, y], color=style.colour, linewidth=0.9)
            if each["null_marginal"] is not None:
                axes.plot([100 * each["null_marginal"]], [y], "|", color=style.colour, markersize=5, markeredgewidth=1)
    axes.axvline(100 * rows[0]["null_uniform"], color=CHANCE, linestyle="--", linewidth=0.8, zorder=0)
    axes.grid(axis="x")


def _open_points(axes: Sheet, rows: Sequence[Row], domains: Sequence[str], layers: Sequence[int]) -> None:
    others = in_order(rows, "layer")
    for number, layer in enumerate(others):
        mine = [each for each in pick(rows, layer=layer) if each["domain"] in domains]
        height = [_line(domains, layers, each["domain"], number) for each in mine]
        style = look(number)
        axes.plot(
            [100 * e["value"] for e in mine], height, style.mark, markerfacecolor="none", color=style.colour, alpha=0.7
        )


def _line(domains: Sequence[str], layers: Sequence[int], domain: str, number: int) -> float:
    return domains.index(domain) + (number - (len(layers) - 1) / 2) * 0.24


def repetition_by_layer(rows: Sequence[Row]) -> Figure:
    """Figure 10: both rates at every layer, a line for each domain, and below how far they stand above their nulls."""
    rows = [each for each in rows if each["choice"] in CHOICES]
    domains, choices = in_order(rows, "domain"), in_order(rows, "choice")

    def draw(sheet: Sheet) -> None:
        many = sheet.subplots(2, len(choices), sharex=True, height_ratios=(3, 2), squeeze=False)
        for choice, axes, below in zip(choices, *many, strict=True):
            mine = pick(rows, choice=choice)
            _chance(axes, mine)
            below.axhline(0, color=CHANCE, linestyle="--", linewidth=0.8)
            for number, domain in enumerate(domains):
                held = [each for each in pick(mine, domain=domain) if each["value"] is not None]
                _curve(axes, held, number, domain)
                _curve(
                    below, [each for each in held if each["null_marginal"] is not None], number, above="null_marginal"
                )
            axes.set_title(CHOICES[choice], loc="left", pad=3)
            below.set_xlabel("layer")
            below.xaxis.get_major_locator().set_params(integer=True)
        many[0, 0].set_ylabel("repeating pairs, %")
        many[1, 0].set_ylabel("above marginal\nnull, points")
        handles, names = many[0, 0].get_legend_handles_labels()
        sheet.legend(handles, names, loc="outside right upper")

    return Figure(
        name="figure-10",
        title="Neighbours that go to the same expert, layer by layer",
        caption=(
            f"Above: share of pairs of neighbouring tokens that repeat an expert, {tokens_counted(rows, 'pairs')} a "
            "domain and layer; dashed: even chance; grey: from the lowest to the highest of the domains' marginal "
            "nulls, what independent tokens with the observed frequencies would give. Below: each domain's rate less "
            "its own marginal null. Bands about the lines: 95 % intervals over documents (below, of the rate alone)."
        ),
        rows=rows,
        draw=draw,
        width=8.0,
        height=4.2,
    )


def _chance(axes: Sheet, rows: Sequence[Row]) -> None:
    layers = in_order(rows, "layer")
    by_layer = [
        [e["null_marginal"] for e in pick(rows, layer=layer) if e["null_marginal"] is not None] for layer in layers
    ]
    if all(by_layer):
        low, high = [100 * min(each) for each in by_layer], [100 * max(each) for each in by_layer]
        axes.fill_between(layers, low, high, color="#BBBBBB", alpha=0.6, linewidth=0, label="marginal nulls")
    axes.axhline(100 * rows[0]["null_uniform"], color=CHANCE, linestyle="--", linewidth=0.8, label="even chance")


def _curve(axes: Sheet, rows: Sequence[Row], number: int, domain: str | None = None, *, above: str = "") -> None:
    """A line of per cents; of what is ``above`` a null, in points, where one is named."""
    style, layers = look(number), [each["layer"] for each in rows]

    def height(result: str) -> list[float]:
        return [100 * (each[result] - (each[above] if above else 0)) for each in rows]

    (line,) = axes.plot(layers, height("value"), marker=style.mark, color=style.colour, label=domain)
    if style.dashes:
        line.set_dashes(style.dashes)
    if rows and all(each["lo"] is not None for each in rows):
        axes.fill_between(layers, height("lo"), height("hi"), color=style.colour, alpha=0.15, linewidth=0)
