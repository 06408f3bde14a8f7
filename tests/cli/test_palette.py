"""Eight experts can be told apart by anybody, on any terminal, with or without colour."""

import itertools

import numpy as np
import pytest
from rich.color import ColorSystem

from octavo.cli.palette import COLOURS, COLOURS_OF_16, UNREAD, Ink, choose_ink
from octavo.cli.screen import Screen, open_screen

# Simulations of full colour-vision deficiencies on linear RGB (Machado, Oliveira, Fernandes, 2009, table 1).
VISIONS = {
    "full": np.eye(3),
    "without red cones": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "without green cones": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "without blue cones": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.119192, 0.9503041]]
)


def linear(colour: str) -> np.ndarray:
    value = np.array([int(colour[place : place + 2], 16) for place in (1, 3, 5)]) / 255
    return np.where(value <= 0.04045, value / 12.92, ((value + 0.055) / 1.055) ** 2.4)


def lab(light: np.ndarray) -> np.ndarray:
    """CIE L*a*b*, in which equal distances look about equally far."""
    xyz = TO_XYZ @ np.clip(light, 0, 1) / np.array([0.95047, 1, 1.08883])
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def contrast(one: str, other: str) -> float:
    """The contrast of WCAG 2."""
    dark, light = sorted(float(TO_XYZ[1] @ linear(each)) for each in (one, other))
    return (light + 0.05) / (dark + 0.05)


def screen_of(colours: ColorSystem | None, *, unicode: bool = True) -> Screen:
    return Screen(console=open_screen().console, colours=colours, width=80, unicode=unicode)


@pytest.mark.parametrize("vision", VISIONS)
def test_every_two_colours_differ_to_every_eye(vision: str) -> None:
    seen = [lab(np.array(VISIONS[vision]) @ linear(paper)) for _, paper in COLOURS]
    # 2.3 is just noticeable side by side.
    assert min(np.linalg.norm(one - other) for one, other in itertools.combinations(seen, 2)) > 15


@pytest.mark.parametrize(("ink", "paper"), COLOURS)
def test_every_ink_can_be_read_on_its_paper(ink: str, paper: str) -> None:
    assert contrast(ink, paper) >= 4.5


def test_there_are_eight_in_each_kind_of_terminal() -> None:
    assert len(set(COLOURS)) == len(set(COLOURS_OF_16)) == 8


@pytest.mark.parametrize(
    ("colours", "experts", "digits"),
    [
        (ColorSystem.TRUECOLOR, 8, False),
        (ColorSystem.EIGHT_BIT, 8, False),
        (ColorSystem.TRUECOLOR, 9, True),
        (ColorSystem.STANDARD, 8, True),
        (None, 8, True),
    ],
)
def test_digits_come_in_where_colours_do_not_tell(colours: ColorSystem | None, experts: int, digits: bool) -> None:
    assert choose_ink(screen_of(colours), experts).digits is digits


def ink_of(colours: ColorSystem | None, *, experts: int = 8, unicode: bool = True) -> Ink:
    return choose_ink(screen_of(colours, unicode=unicode), experts)


def test_beyond_eight_experts_colours_come_round() -> None:
    ink = ink_of(ColorSystem.TRUECOLOR, experts=64)
    assert ink.style(3) == ink.style(11) != ink.style(4)
    assert ink.spell("word", 11) == "word₁₁"


def test_the_digit_stands_behind_the_letters_and_before_the_break() -> None:
    ink = ink_of(None)
    assert ink.spell(" cat", 3) == " cat₃"
    assert ink.spell(".\n\n", 0) == ".₀\n\n"
    assert ink.spell("\n", 5) == "₅\n"
    assert ink.spell("end", UNREAD) == "end"


def test_a_terminal_without_subscripts_gets_brackets() -> None:
    assert ink_of(None, unicode=False).spell(" cat", 12) == " cat[12]"


def test_a_line_break_has_a_colour_to_show() -> None:
    assert ink_of(ColorSystem.TRUECOLOR).spell(".\n", 1) == ".↵\n"


def test_a_token_that_nobody_read_has_no_colour() -> None:
    assert ink_of(ColorSystem.TRUECOLOR).style(UNREAD) is None


def test_a_token_that_would_command_the_terminal_is_spelled_out() -> None:
    assert ink_of(ColorSystem.TRUECOLOR).spell("\x1b[2J\r", 1) == "\\x1b[2J\\r"
