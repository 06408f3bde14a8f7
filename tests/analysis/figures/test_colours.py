"""Every domain has a look of its own."""

from octavo.analysis.figures.colours import COLOURS, INKS, PAPERS, look


def test_the_first_looks_all_differ_on_paper_and_in_print() -> None:
    looks = [look(number) for number in range(35)]
    assert len({(each.colour, each.dashes) for each in looks}) == 35
    assert len({(each.colour, each.hatch) for each in looks}) == 35
    assert look(0).hatch == "" and look(8).hatch != ""


def test_ink_can_be_read_on_its_paper() -> None:
    assert sorted(PAPERS) == sorted(COLOURS)
    for paper, ink in zip(PAPERS, INKS, strict=True):
        light, dark = sorted((luminance(paper), luminance(ink)), reverse=True)
        assert (light + 0.05) / (dark + 0.05) > 4.5


def luminance(colour: str) -> float:
    """Relative luminance as WCAG 2 defines it."""
    parts = [int(colour[place : place + 2], 16) / 255 for place in (1, 3, 5)]
    linear = [each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
