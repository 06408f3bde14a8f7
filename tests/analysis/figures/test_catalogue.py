"""Every figure of the catalogue can be made from a small trace, and says so where it cannot."""

from pathlib import Path

import pytest

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.figures.catalogue import FIGURES, Wish, figure
from octavo.analysis.importers.olmoe import EVERY_TOKEN, read_file
from octavo.analysis.selection import Selection
from octavo.analysis.statistics import Intervals
from octavo.errors import TraceError
from tests.analysis.figures.traces import many_domains, svg_of
from tests.analysis.synthetic import MemoryTrace, manifest_of

GOLDEN = Path(__file__).parents[2] / "golden" / "mixtral-8x7b-expert-counts.json"
WISH = Wish(selection=Selection(), intervals=Intervals(replicates=10))


@pytest.mark.parametrize("name", FIGURES)
def test_every_figure_is_made_and_says_what_was_counted(tmp_path: Path, name: str) -> None:
    made = figure(many_domains(3), name, WISH)
    text = svg_of(made, tmp_path)
    assert made.name == name and made.title in text
    made.save(tmp_path / "x.png")
    assert any(character.isdigit() for character in made.caption)
    assert made.rows and len(made.cells()) > 1


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"figure-8"}))
def test_all_but_coloured_text_can_be_made_of_counts(tmp_path: Path, name: str) -> None:
    from octavo.analysis.accumulators import Contents

    counts = Accumulators.over(many_domains(2), contents=Contents(replicates=0))
    svg_of(figure(counts, name, Wish(selection=Selection())), tmp_path)
    with pytest.raises(TraceError, match="counts only"):
        figure(counts, "figure-8", Wish(selection=Selection()))


def test_layers_and_domains_can_be_wished_for() -> None:
    made = figure(many_domains(3), "figure-7", Wish(selection=Selection(layers=(1,), domains=("domain 2",))))
    assert {(each["layer"], each["domain"]) for each in made.rows} == {(1, "domain 2")}
    with pytest.raises(TraceError, match="no figure 'figure-11': want one of figure-7"):
        figure(many_domains(1), "figure-11", WISH)


def test_a_text_is_chosen_by_domain_or_by_name() -> None:
    trace = many_domains(5)
    made = figure(trace, "figure-8", Wish(selection=Selection(), tokens=4))
    assert [each["domain"] for each in made.rows[::12]] == ["domain 0", "domain 1", "domain 2"]
    made = figure(trace, "figure-8", Wish(selection=Selection(domains=("domain 4",), layers=(2,)), document="1"))
    assert {(each["domain"], each["document"]) for each in made.rows} == {("domain 4", 17)}
    with pytest.raises(TraceError, match="no document 'z' in this trace"):
        figure(trace, "figure-8", Wish(selection=Selection(), document="z"))


def test_the_real_mixtral_has_a_figure_7(tmp_path: Path) -> None:
    made = figure(read_file(GOLDEN), "figure-7", Wish(selection=EVERY_TOKEN))
    text = svg_of(made, tmp_path)
    assert "layer 15" in text and "arxiv" in text and "417,792 assignments" in made.caption


@pytest.mark.parametrize("name", sorted(set(FIGURES) - {"figure-8", "transitions"}))
def test_counts_of_others_are_drawn_as_far_as_they_go(tmp_path: Path, name: str) -> None:
    assert "arxiv" in svg_of(figure(read_file(GOLDEN), name, Wish(selection=EVERY_TOKEN)), tmp_path)


@pytest.mark.parametrize("name", ["figure-8", "transitions"])
def test_what_counts_of_others_do_not_tell_is_one_line(name: str) -> None:
    with pytest.raises(TraceError, match=r"counts only|kept without"):
        figure(read_file(GOLDEN), name, Wish(selection=EVERY_TOKEN))


@pytest.mark.parametrize("name", FIGURES)
def test_without_the_order_a_figure_is_drawn_or_refused_in_one_line(tmp_path: Path, name: str) -> None:
    trace = many_domains(2)
    unordered = MemoryTrace(trace.given, stated=manifest_of(trace.given, rank_ordered=None), tokens=trace.tokens)
    if name in ("figure-8", "figure-9", "transitions"):
        with pytest.raises(TraceError, match="nobody knows which expert came first"):
            figure(unordered, name, WISH)
    else:
        svg_of(figure(unordered, name, WISH), tmp_path)
