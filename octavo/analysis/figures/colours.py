"""Colours that any eye tells apart, and marks beside them for where eight are not enough.

The eight of Okabe and Ito (Color Universal Design, 2008). A ninth domain has the first colour again with another mark,
dash or hatch; an expert has a colour in one layer only, since its number means nothing in another.
"""

from dataclasses import dataclass

COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
MARKS = ("o", "s", "^", "D", "v", "P", "X")
DASHES: tuple[tuple[float, ...], ...] = ((), (4.0, 1.5), (1.5, 1.5), (5.0, 1.5, 1.5, 1.5), (8.0, 2.0))
HATCHES = ("", "////", "....", "xxxx", "----")

# Paper behind text: the same hues, and the ink that reads best on each.
PAPERS = ("#E69F00", "#56B4E9", "#009E73", "#F0E442", "#0072B2", "#D55E00", "#CC79A7", "#000000")
INKS = ("#000000", "#000000", "#000000", "#000000", "#FFFFFF", "#000000", "#000000", "#FFFFFF")

CHANCE = "#666666"
SHARES = "cividis"  # a scale from dark to light that is the same to every eye
AROUND = "PuOr_r"  # and one with two ends, purple and orange


@dataclass(frozen=True, slots=True)
class Look:
    """How one of many is drawn."""

    colour: str
    mark: str
    dashes: tuple[float, ...]
    hatch: str


def look(number: int) -> Look:
    """The look of the one with this number; the first 35 all differ."""
    return Look(
        COLOURS[number % len(COLOURS)],
        MARKS[number % len(MARKS)],
        DASHES[number // len(COLOURS) % len(DASHES)],
        HATCHES[number // len(COLOURS) % len(HATCHES)],
    )
