"""A figure's rows as CSV, as JSON with what was counted, and as a LaTeX table."""

import csv
import itertools
import json
from collections.abc import Sequence
from pathlib import Path

from octavo.analysis.statistics.rows import RESULTS, Row, keys_of

Cells = list[list[str]]

# What LaTeX would read as commands.
_SPECIAL = str.maketrans(
    {
        "\\": r"\textbackslash{}",
        "&": r"\&",
        "%": r"\%",
        "$": r"\$",
        "#": r"\#",
        "_": r"\_",
        "{": r"\{",
        "}": r"\}",
        "~": r"\textasciitilde{}",
        "^": r"\textasciicircum{}",
        "–": "--",
        "−": "$-$",
        "≥": r"$\geq$",
        "Σ": r"$\Sigma$",
        "²": "$^2$",
        "·": r"$\cdot$",
    }
)


def write_csv(path: Path, rows: Sequence[Row]) -> None:
    """Writes one line for each row; what is None is an empty cell."""
    names = list(dict.fromkeys(name for each in rows for name in each))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def write_json(path: Path, rows: Sequence[Row], *, name: str, title: str, caption: str) -> None:
    """Writes one object: the figure's name, title and caption, and its rows, each on a line of its own."""
    head = json.dumps({"figure": name, "title": title, "caption": caption}, indent=1, ensure_ascii=False)
    lines = ",\n".join(f"  {json.dumps(each, ensure_ascii=False, allow_nan=False)}" for each in rows)
    path.write_text(f'{head[:-2]},\n "rows": [\n{lines}\n ]\n}}\n', encoding="utf-8")


def write_latex(path: Path, cells: Cells, *, name: str, caption: str) -> None:
    """Writes a table of the package booktabs; its first row are the headings; numbers stand to the right."""
    headings, *body = cells
    numeric = [all(_is_number(each[column]) for each in body) for column in range(len(headings))]
    columns = "".join("r" if each else "l" for each in numeric)
    lines = [" & ".join(map(latex, each)) + r" \\" for each in body]
    text = [
        "% needs \\usepackage{booktabs}",
        r"\begin{table}",
        r"\centering\small",
        rf"\begin{{tabular}}{{{columns}}}",
        r"\toprule",
        *_headings(headings),
        r"\midrule",
        *lines,
        r"\bottomrule",
        r"\end{tabular}",
        rf"\caption{{{latex(caption)}}}",
        rf"\label{{tab:{name}}}",
        r"\end{table}",
    ]
    path.write_text("\n".join(text) + "\n", encoding="utf-8")


def _headings(headings: Sequence[str]) -> list[str]:
    """The heading lines: headings of the form "group, column" have their groups above them."""
    first, *others = headings
    if not others or not all(", " in each for each in others):
        return [" & ".join(map(latex, headings)) + r" \\"]
    above, rules, column = [latex(first)], [], 2
    for group, held in itertools.groupby(each.split(", ", 1)[0] for each in others):
        many = len(list(held))
        above.append(rf"\multicolumn{{{many}}}{{c}}{{{latex(group)}}}")
        rules.append(rf"\cmidrule(lr){{{column}-{column + many - 1}}}")
        column += many
    below = ["", *(latex(each.split(", ", 1)[1]) for each in others)]
    return [" & ".join(above) + r" \\", "".join(rules), " & ".join(below) + r" \\"]


def latex(text: str) -> str:
    """Text that LaTeX sets as it is, whatever it holds."""
    return text.translate(_SPECIAL)


def cells_of(rows: Sequence[Row]) -> Cells:
    """All rows as cells: their keys as they are, their figures to four digits, those that no row has left out."""
    keys = list(dict.fromkeys(name for each in rows for name in keys_of(each)))
    results = [name for name in RESULTS if any(each[name] is not None for each in rows)]
    body = [[_text(each.get(name)) for name in keys] + [_figure(each[name]) for name in results] for each in rows]
    return [[*keys, *results], *body]


def aligned(cells: Cells) -> str:
    """A table for a terminal: numbers to the right, everything else to the left."""
    widths = [max(len(each[column]) for each in cells) for column in range(len(cells[0]))]
    numeric = [all(_is_number(each[column]) for each in cells[1:]) for column in range(len(widths))]
    lines = (
        "  ".join(cell.rjust(width) if right else cell.ljust(width) for cell, width, right in zip(*each, strict=True))
        for each in ((row, widths, numeric) for row in cells)
    )
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _is_number(text: str) -> bool:
    return text in {"", "–"} or text.lstrip("-+−").replace(",", "").replace(".", "", 1).isdigit()


def _text(value: object) -> str:
    return "–" if value is None else str(value)


def _figure(value: float | int | None) -> str:
    if value is None:
        return "–"
    return f"{value:,}" if isinstance(value, int) else f"{value:.4f}"
