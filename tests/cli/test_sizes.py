"""Numbers are short, and right to the figures that they show."""

import pytest

from octavo.cli.sizes import billions, share, short


@pytest.mark.parametrize(
    ("number", "unit", "text"),
    [
        (0, "B", "0 B"),
        (7, "", "7"),
        (999, "", "999"),
        (1000, "B", "1.00 kB"),
        (999_600, "", "1.00 M"),
        (46_702_792_704, "", "46.7 G"),
        (93_405_585_408, "B", "93.4 GB"),
        (9_996, "", "10.0 k"),
        (99_960, "", "100 k"),
        (0.25, "", "0.25"),
        (1e21, "", "1000 E"),
    ],
)
def test_three_figures_and_a_prefix(number: float, unit: str, text: str) -> None:
    assert short(number, unit) == text


def test_parameters_are_told_in_billions() -> None:
    assert [billions(number) for number in (46_702_792_704, 16_300_000, 4_096)] == ["46.7 B", "16.3 M", "4.10 K"]


def test_a_share_that_is_not_nothing_does_not_look_like_nothing() -> None:
    assert [share(part, 100_000) for part in (0, 1, 96_560, 100_000)] == ["0.00%", "< 0.01%", "96.56%", "100.00%"]
