"""Figure: rows of statistics, what was counted, and how they are drawn; equal rows give equal bytes.

matplotlib is asked for only when something is drawn. No file holds a date, a path or a version of it.
"""

import importlib
import textwrap
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from octavo.analysis.figures.tables import Cells, cells_of, write_csv, write_json, write_latex
from octavo.analysis.statistics.rows import Row
from octavo.errors import TraceError

# What a sheet of matplotlib is, for those who have none.
Sheet = Any

PICTURES = {
    ".png": {"Software": None},
    ".svg": {"Date": None, "Creator": None},
    ".pdf": {"CreationDate": None, "Creator": None, "Producer": None},
}
TABLES = (".csv", ".json", ".tex")
SUFFIXES = (*PICTURES, *TABLES)
STYLE: dict[str, Any] = {
    "axes.axisbelow": True,
    "axes.edgecolor": "#444444",
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlesize": 9,
    "font.family": ["DejaVu Sans"],
    "font.size": 8,
    "grid.color": "#DDDDDD",
    "grid.linewidth": 0.5,
    "hatch.linewidth": 0.4,
    "legend.fontsize": 7,
    "legend.frameon": False,
    "lines.linewidth": 1.1,
    "lines.markersize": 3.2,
    "pdf.fonttype": 42,
    "svg.hashsalt": "octavo",
    "text.hinting": "none",
    "text.parse_math": False,  # names of domains are text, whatever they hold
    "xtick.labelsize": 7,
    "xtick.major.width": 0.6,
    "ytick.labelsize": 7,
    "ytick.major.width": 0.6,
}
DPI = 200
LINE = 0.145  # inches


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One figure: ``caption`` says what was counted, on how much, and what chance would give; ``marks`` what lines and
    points mean, which a table has none of.

    ``draw`` fills a sheet of ``width`` times ``height`` inches. ``table`` makes the cells of its LaTeX table, headings
    first, where that is to be another than the rows as they are. ``outlines`` says that letters in an SVG have to stand
    to the hair, so that they are drawn, not written in whatever font the reader has.
    """

    name: str
    title: str
    caption: str
    marks: str = ""
    rows: Sequence[Row]
    draw: Callable[[Sheet], None]
    width: float = 7.0
    height: float = 3.0
    table: Callable[[], Cells] | None = None
    outlines: bool = False

    def save(self, path: Path) -> None:
        """Writes the figure in the form that the path's ending names; raises TraceError for another, or a full disk."""
        if path.suffix not in SUFFIXES:
            raise TraceError(f"{path} ends in {path.suffix or 'nothing'}: want one of {', '.join(SUFFIXES)}")
        try:
            if path.suffix == ".csv":
                write_csv(path, self.rows)
            elif path.suffix == ".json":
                write_json(path, self.rows, name=self.name, title=self.title, caption=self.caption)
            elif path.suffix == ".tex":
                write_latex(path, self.cells(), name=self.name, caption=self.caption)
            else:
                self._save_picture(path)
        except OSError as error:
            raise TraceError(f"{path} cannot be written ({error.strerror or error}): choose another place") from None

    def cells(self) -> Cells:
        """The figure as a table, headings first."""
        return self.table() if self.table is not None else cells_of(self.rows)

    def _save_picture(self, path: Path) -> None:
        matplotlib, sheet_class = drawing()
        lines = textwrap.wrap(f"{self.caption} {self.marks}".strip(), width=int(self.width * 19.5))
        below = LINE * (len(lines) + 1)
        with matplotlib.rc_context({**STYLE, "svg.fonttype": "path" if self.outlines else "none"}):
            sheet = sheet_class(figsize=(self.width, self.height + below), layout="constrained", dpi=DPI)
            sheet.get_layout_engine().set(
                rect=(0, below / (self.height + below), 1, self.height / (self.height + below))
            )
            sheet.suptitle(self.title, fontsize=10, x=0.01, ha="left")
            self.draw(sheet)
            sheet.text(
                0.012,
                (below - 0.4 * LINE) / (self.height + below),
                "\n".join(lines),
                fontsize=6.5,
                va="top",
                color="#333333",
            )
            sheet.savefig(path, format=path.suffix[1:], metadata=PICTURES[path.suffix])


def drawing() -> tuple[Any, Any]:
    """matplotlib and its class of sheets; raises TraceError that says how to get it where it is missing."""
    try:
        return importlib.import_module("matplotlib"), importlib.import_module("matplotlib.figure").Figure
    except ImportError:
        raise TraceError(
            "a picture needs matplotlib: pip install 'octavo[analyze]', or write .csv, .json or .tex"
        ) from None


def pick(rows: Iterable[Row], **keys: object) -> list[Row]:
    """The rows that have these keys."""
    return [each for each in rows if all(each.get(name) == value for name, value in keys.items())]


def in_order(rows: Iterable[Row], name: str) -> list[Any]:
    """The values of a key, each once, in the order in which they come."""
    return list(dict.fromkeys(each[name] for each in rows))


def percent(value: float | None, digits: int = 1) -> str:
    """A share as per cent; a dash where there is none."""
    return "–" if value is None else f"{100 * value:.{digits}f}"


def tokens_counted(rows: Iterable[Row], what: str = "tokens") -> str:
    """How much was counted, from the least to the most of the rows."""
    counts = [each["n"] for each in rows]
    if not counts:
        return f"no {what}"
    low, high = min(counts), max(counts)
    return f"{low:,} {what}" if low == high else f"{low:,} to {high:,} {what}"


def middle_layers(layers: Sequence[int]) -> tuple[int, ...]:
    """First, middle and last of the layers, as the paper's figures have them: 0, 15 and 31 of 32."""
    return tuple(dict.fromkeys((layers[0], layers[(len(layers) - 1) // 2], layers[-1])))
