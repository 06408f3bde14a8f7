"""Transitions are drawn over how often the later expert is chosen at all."""

from pathlib import Path

import numpy as np

from octavo.analysis.figures.flow import lift_EE, transition_maps
from octavo.analysis.statistics.transitions import transitions
from tests.analysis.figures.traces import many_domains, svg_of
from tests.analysis.synthetic import MemoryTrace, document


def test_a_layer_that_copies_lifts_the_diagonal_only(tmp_path: Path) -> None:
    routes = [[(token % 4, 7), (token % 4, 7)] for token in range(40)]
    rows = transitions(MemoryTrace([document(routes)]))
    lifts = lift_EE(rows)
    assert np.allclose(np.diag(lifts)[:4], 4) and lifts[0, 1] == 0
    assert np.isnan(lifts[5]).all()
    text = svg_of(transition_maps(rows), tmp_path)
    assert "layer 0 → 1" in text and "to expert" in text


def test_there_is_a_map_for_each_domain_and_pair_of_layers(tmp_path: Path) -> None:
    made = transition_maps(transitions(many_domains(2)))
    text = svg_of(made, tmp_path)
    assert "domain 1" in text and "layer 1 → 2" in text
    assert "first choices" in made.caption
