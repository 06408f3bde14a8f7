"""What a command shows: text and tables on stdout, in colour where the terminal has it, and JSON for programs.

rich only renders here and never writes, so that a closed pipe ends a command in one place, like any failed write.
"""

import dataclasses
import json
import math
import sys
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.color import ColorSystem
from rich.console import Console, RenderableType
from rich.style import Style
from rich.table import Table
from rich.text import Text

COLOUR_SYSTEMS = {
    "standard": ColorSystem.STANDARD,
    "256": ColorSystem.EIGHT_BIT,
    "truecolor": ColorSystem.TRUECOLOR,
    "windows": ColorSystem.STANDARD,
}
ENDLESS = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Screen:
    """Where a command writes: ``colours`` is None without colour, ``width`` in cells is None where lines never end."""

    console: Console
    colours: ColorSystem | None
    width: int | None
    unicode: bool

    def write(self, text: str) -> None:
        """Writes text that is safe to show, and shows it at once."""
        sys.stdout.write(text)
        sys.stdout.flush()

    def show(self, *renderables: RenderableType) -> None:
        """Renders tables and texts of rich, one below the other."""
        with self.console.capture() as capture:
            self.console.print(*renderables, sep="\n")
        # A table pads its lines to the width; in a file or a pipe that is only noise.
        lines = capture.get().splitlines()
        self.write("\n".join(lines if self.colours else (line.rstrip() for line in lines)) + "\n")

    def say(self, text: str) -> None:
        """Writes prose, wrapped to the width of the screen."""
        self.show(Text(text))

    def paint(self, text: str, style: Style | None) -> str:
        """Returns the text with the style's escape sequences around it, line by line; unchanged without colour."""
        if self.colours is None or style is None:
            return text
        return "\n".join(style.render(line, color_system=self.colours) if line else "" for line in text.split("\n"))


def open_screen(*, no_color: bool = False) -> Screen:
    """Looks at stdout: a terminal or not, how wide, with which colours; NO_COLOR, FORCE_COLOR and TERM count."""
    reconfigure = getattr(sys.stdout, "reconfigure", None)
    if reconfigure is not None:
        reconfigure(errors="backslashreplace")  # a terminal that is not UTF-8 gets \u201c, not a crash
    plain: dict[str, Any] = {"file": sys.stdout, "highlight": False, "markup": False, "emoji": False}
    console = Console(no_color=no_color or None, **plain)
    terminal = console.is_terminal
    coloured = terminal and not console.no_color and console.color_system is not None
    if not coloured:
        # Without a terminal nothing is wrapped or cut to a width.
        console = Console(color_system=None, width=console.width if terminal else ENDLESS, **plain)
    return Screen(
        console=console,
        colours=COLOUR_SYSTEMS[console.color_system or "standard"] if coloured else None,
        width=console.width if terminal else None,
        unicode=_can_show("₀↵…", sys.stdout.encoding or "ascii"),
    )


def figures(first: str, *columns: str) -> Table:
    """A table with names on the left and figures on the right."""
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold", padding=(0, 1, 0, 0))
    table.add_column(first, overflow="fold")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def print_json(document: Any) -> None:
    """Prints one JSON document on stdout: pure ASCII without control characters, whatever it holds."""
    text = json.dumps(_plain(document), ensure_ascii=True, allow_nan=False)
    sys.stdout.write(text.replace("\x7f", "\\u007f") + "\n")
    sys.stdout.flush()


def _plain(value: Any) -> Any:
    """Returns the value as JSON knows it: arrays become lists, numbers that are not finite become null."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if dataclasses.is_dataclass(value):
        return {field.name: _plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "tolist"):  # an array of numpy or torch, or one of their scalars
        return _plain(value.tolist())
    return value


def _can_show(text: str, encoding: str) -> bool:
    try:
        text.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return False
    return True
