"""Distances stand above the diagonal, what relabeled documents would give below it."""

from pathlib import Path

import numpy as np

from octavo.analysis.figures.distance import distance_maps, matrix
from octavo.analysis.statistics.specialisation import domain_specialisation
from tests.analysis.figures.traces import many_domains, svg_of
from tests.analysis.synthetic import MemoryTrace, constant


def test_disjoint_domains_are_a_bit_apart_and_their_mixture_is_less(tmp_path: Path) -> None:
    trace = MemoryTrace(
        [
            constant(20, route, domain=domain, name=str(number))
            for domain, route in (("a", (0, 1)), ("b", (2, 3)))
            for number in range(4)
        ]
    )
    rows = domain_specialisation(trace, measure=["jsd"])
    grid = matrix(rows, ["a", "b"])
    assert grid[0, 1] == 1 and 0 < grid[1, 0] < 0.5
    assert np.isnan(grid[0, 0])
    text = svg_of(distance_maps(rows), tmp_path)
    assert "1.00" in text and "layer 0" in text


def test_there_is_a_matrix_for_each_layer(tmp_path: Path) -> None:
    made = distance_maps(domain_specialisation(many_domains(11), measure=["jsd"]))
    text = svg_of(made, tmp_path)
    assert "layer 2" in text and "domain 10" in text
    assert "8 a pair" in made.caption and "relabelings" in made.caption
