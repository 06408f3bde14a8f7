"""The table of loads shows each expert's share of its layer, or the extremes where there are many."""

import io

import numpy as np
from rich.console import Console

from octavo.cli.loads import load_heading, load_table
from octavo.cli.screen import Screen, open_screen


def shown(count_LE: list[list[int]]) -> list[str]:
    screen = Screen(console=open_screen().console, colours=None, width=None, unicode=True)
    console = Console(file=io.StringIO(), width=80)
    console.print(load_table(np.array(count_LE), screen))
    assert isinstance(console.file, io.StringIO)
    return [" ".join(line.split()) for line in console.file.getvalue().splitlines() if line.strip()]


def test_every_expert_of_every_layer_has_its_share() -> None:
    lines = shown([[10, 30, 20, 40], [25, 25, 25, 25]])
    assert lines[0] == "layer 0 1 2 3"
    assert lines[2:4] == ["0 10.0 30.0 20.0 40.0", "1 25.0 25.0 25.0 25.0"]


def test_the_heading_says_of_how_many_tokens() -> None:
    heading = load_heading(np.array([[10, 30, 20, 40], [25, 25, 25, 25]]), k=2)
    assert heading == "Load: share of 50 tokens × 2 choices in percent; even would be 25.0"


def test_many_experts_are_told_by_their_extremes() -> None:
    counts = [1] * 64
    counts[7], counts[9] = 137, 0
    lines = shown([counts])
    assert lines[0] == "layer busiest share idlest share idle experts"
    assert lines[2] == "0 7 68.8 9 0.0 1"


def test_a_layer_that_read_nothing_is_no_division_by_zero() -> None:
    assert shown([[0, 0]])[2] == "0 0.0 0.0"
