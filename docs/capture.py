"""Writes docs/demo.svg, a terminal capture of ``octavo demo``: ``python docs/capture.py [MODEL]``.

The command runs for real, in a terminal of its own; what it wrote there becomes the picture.
"""

import io
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from fcntl import ioctl
from pathlib import Path

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE = Path(__file__).parent / "demo.svg"
COLUMNS, LARGEST = 100, 200_000
DARK = [(24, 24, 27), (220, 80, 80), (80, 180, 110), (210, 180, 80)]
DARK += [(90, 140, 220), (190, 110, 200), (80, 180, 190), (220, 220, 220)]
BRIGHT = [(120, 120, 125), (240, 110, 110), (110, 210, 140), (240, 210, 110)]
BRIGHT += [(120, 170, 250), (220, 140, 230), (110, 210, 220), (255, 255, 255)]
THEME = TerminalTheme((24, 24, 27), (228, 228, 231), DARK, BRIGHT)
# As rich's own, but with the reader's fonts: a picture must not fetch anything.
FORMAT = """\
<svg class="rich-terminal" viewBox="0 0 {width} {height}" xmlns="http://www.w3.org/2000/svg">
<style>
.{unique_id}-matrix {{ font-family: "DejaVu Sans Mono", Menlo, Consolas, "Liberation Mono", monospace;
    font-size: {char_height}px; line-height: {line_height}px; font-variant-east-asian: full-width; }}
.{unique_id}-title {{ font-size: 18px; font-weight: bold; font-family: arial, sans-serif; }}
{styles}
</style>
<defs>
<clipPath id="{unique_id}-clip-terminal">
<rect x="0" y="0" width="{terminal_width}" height="{terminal_height}"/>
</clipPath>
{lines}
</defs>
{chrome}
<g transform="translate({terminal_x}, {terminal_y})" clip-path="url(#{unique_id}-clip-terminal)">
{backgrounds}
<g class="{unique_id}-matrix" xml:space="preserve">
{matrix}
</g>
</g>
</svg>
"""


def run_in_terminal(command: list[str], columns: int) -> str:
    """What a command writes into a terminal of so many columns that has all colours."""
    ours, theirs = pty.openpty()
    ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 50, columns, 0, 0))
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "COLUMNS", "LINES")}
    env |= {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=subprocess.DEVNULL, env=env) as child:
        os.close(theirs)
        written = b""
        while True:
            try:
                piece = os.read(ours, 65536)
            except OSError:  # the other end is closed
                break
            if not piece:
                break
            written += piece
    os.close(ours)
    if child.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {child.returncode}")
    return written.decode().replace("\r\n", "\n")


def draw(text: str, *, title: str, columns: int) -> str:
    """The text with its colours as a picture of a terminal."""
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(Text.from_ansi(text), soft_wrap=False)
    return console.export_svg(title=title, theme=THEME, code_format=FORMAT, unique_id="octavo")


def main() -> None:
    """Writes the picture."""
    model = sys.argv[1:2]
    command = [sys.executable, "-m", "octavo", "demo", "--no-report", *model]
    text = run_in_terminal(command, COLUMNS)
    # How fast it was belongs to the machine, not to the picture.
    text = re.sub(r"\n\d+ tokens in [\d.]+ s, \d+ a second\.\n", "", text)
    picture = draw(text, title="octavo demo", columns=COLUMNS)
    if len(picture.encode()) > LARGEST:
        raise SystemExit(
            f"the picture has {len(picture.encode()):,} bytes, want at most {LARGEST:,}: show fewer tokens"
        )
    PICTURE.write_text(picture, encoding="utf-8")


if __name__ == "__main__":
    main()
