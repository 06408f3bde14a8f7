"""Eight colours for eight experts, told apart with any colour vision, on dark and on light terminals.

Seven are those of Okabe and Ito (Color Universal Design, 2008); their black, which vanishes on a dark terminal, is a
wine red here. Each is a background with its own ink, so that neither the terminal's colours nor its theme matter.
"""

from dataclasses import dataclass

from rich.color import ColorSystem
from rich.style import Style

from octavo.cli.escaping import escape
from octavo.cli.screen import Screen

# (ink, paper)
COLOURS = (
    ("#000000", "#E69F00"),
    ("#000000", "#56B4E9"),
    ("#000000", "#009E73"),
    ("#000000", "#F0E442"),
    ("#FFFFFF", "#0072B2"),
    ("#000000", "#D55E00"),
    ("#000000", "#CC79A7"),
    ("#FFFFFF", "#882255"),
)
# The same for terminals of 16 colours, whose shades are the user's own: there, digits tell the experts apart.
COLOURS_OF_16 = (
    ("black", "yellow"),
    ("black", "cyan"),
    ("black", "green"),
    ("black", "bright_yellow"),
    ("white", "blue"),
    ("white", "red"),
    ("black", "bright_magenta"),
    ("white", "magenta"),
)
SUBSCRIPTS = str.maketrans("0123456789", "₀₁₂₃₄₅₆₇₈₉")
UNREAD = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Ink:
    """How tokens are shown by expert on one screen: ``digits`` says whether the expert's number stands behind each."""

    screen: Screen
    num_experts: int
    digits: bool

    def style(self, expert: int) -> Style | None:
        """The colours of an expert; beyond eight they come round again. None where nobody read the token."""
        if expert == UNREAD:
            return None
        colours = COLOURS_OF_16 if self.screen.colours is ColorSystem.STANDARD else COLOURS
        ink, paper = colours[expert % len(colours)]
        return Style(color=ink, bgcolor=paper)

    def mark(self, expert: int) -> str:
        """The number behind a token, in subscripts or brackets; empty where the colour says it all."""
        if not self.digits or expert == UNREAD:
            return ""
        return str(expert).translate(SUBSCRIPTS) if self.screen.unicode else f"[{expert}]"

    def spell(self, text: str, expert: int) -> str:
        """A token's text as it is shown: safe, its mark behind the last letter, a line break made visible."""
        shown = escape(text)
        body = shown.rstrip()
        tail = shown[len(body) :]
        if expert != UNREAD and self.screen.unicode and self.screen.colours is not None:
            tail = tail.replace("\n", "↵\n")
        return body + self.mark(expert) + tail

    def chip(self, expert: int) -> str:
        """The expert's number in its colours, as wide as every other."""
        number = f"{expert:>{len(str(self.num_experts - 1))}}"
        return self.screen.paint(f" {number} ", self.style(expert)) if self.screen.colours else number


def choose_ink(screen: Screen, num_experts: int) -> Ink:
    """Colours alone where eight tell every expert apart; digits as well without colour or beyond eight."""
    enough = screen.colours not in (None, ColorSystem.STANDARD) and num_experts <= len(COLOURS)
    return Ink(screen=screen, num_experts=num_experts, digits=not enough)
