"""Bars and maps of shares show every share, its interval and chance."""

from pathlib import Path

from octavo.analysis.figures.shares import scale_of, share_bars, share_map
from octavo.analysis.statistics import Intervals
from octavo.analysis.statistics.assignment_share import assignment_share
from tests.analysis.figures.traces import many_domains, svg_of


def test_a_panel_for_each_layer_a_bar_for_each_domain_and_expert(tmp_path: Path) -> None:
    rows = assignment_share(many_domains(12), intervals=Intervals(replicates=20), choice=["either"])
    made = share_bars([each for each in rows if each["layer"] in (0, 2)])
    text = svg_of(made, tmp_path)
    assert "layer 0" in text and "layer 2" in text and "layer 1" not in text
    assert all(f"domain {number}" in text for number in range(12))
    assert len(made.rows) == 2 * 12 * 8
    assert "800 assignments" in made.caption and "1/E = 0.125" in made.caption


def test_figure_9_has_a_column_for_each_choice(tmp_path: Path) -> None:
    rows = assignment_share(many_domains(2))
    made = share_bars(rows, choices=("either", "first", "second"), name="figure-9")
    text = svg_of(made, tmp_path)
    assert "layer 1, second choice" in text and made.name == "figure-9"


def test_the_map_has_a_panel_for_each_domain_and_tells_what_a_column_is_not(tmp_path: Path) -> None:
    made = share_map(assignment_share(many_domains(7)))
    text = svg_of(made, tmp_path)
    assert all(f"domain {number}" in text for number in range(7)) and "share over chance" in text
    assert "columns do not add up" in made.caption


def test_shares_that_nobody_counted_leave_a_gap(tmp_path: Path) -> None:
    rows = assignment_share(many_domains(2))
    for each in rows:
        if each["domain"] == "domain 1":
            each.update(value=None, lo=None, hi=None, n=0)
    svg_of(share_bars(rows), tmp_path)
    svg_of(share_map(rows), tmp_path)


def test_a_scale_holds_what_it_shows() -> None:
    assert [scale_of(each) for each in ([], [1.0], [2.0], [2.1], [4.0], [40.0])] == [2, 2, 2, 4, 4, 8]
