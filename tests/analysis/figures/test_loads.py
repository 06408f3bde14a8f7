"""Load is drawn layer by layer, beside even use."""

from pathlib import Path

from octavo.analysis.figures.loads import load_by_layer
from octavo.analysis.statistics import Intervals
from octavo.analysis.statistics.load import load
from tests.analysis.figures.traces import many_domains, svg_of


def test_there_is_a_line_for_each_domain_and_one_for_all(tmp_path: Path) -> None:
    trace = many_domains(3)
    made = load_by_layer(load(trace, intervals=Intervals(replicates=20)), together=load(trace, by="all"))
    text = svg_of(made, tmp_path)
    assert "domain 2" in text and "all domains together" in text and "even use" in text
    assert {each["measure"] for each in made.rows} == {"max-violation"}
    assert "400 tokens a domain" in made.caption
