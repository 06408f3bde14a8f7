"""Table 5 and Figure 10: values, nulls and intervals, in the paper's layout."""

import json
from pathlib import Path

from octavo.analysis.figures.repetition import repetition_by_layer, repetition_table, table_cells
from octavo.analysis.statistics import Intervals
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.statistics.rows import Row, row
from tests.analysis.figures.traces import many_domains, svg_of
from tests.analysis.synthetic import MemoryTrace, constant, manifest_of

PAPER = json.loads((Path(__file__).parents[2] / "golden" / "mixtral-paper.json").read_text())["table_5"]


def of_the_paper() -> list[Row]:
    uniform = {"first": 0.125, "either": 13 / 28}
    names = {"first": "first_choice", "either": "first_or_second"}
    return [
        row(
            domain=domain,
            layer=layer,
            choice=choice,
            lag=1,
            value=held[names[choice]][place] / 100,
            n=1,
            null_uniform=even,
        )
        for domain, held in PAPER["percent"].items()
        for choice, even in uniform.items()
        for place, layer in enumerate(PAPER["layers"])
    ]


def test_the_table_has_the_papers_layout() -> None:
    head, *body = table_cells(of_the_paper())
    assert head[1:] == [
        f"{choice}, layer {layer}" for choice in ("First choice", "First or second choice") for layer in (0, 15, 31)
    ]
    assert body[1] == ["DM Mathematics", "14.1", "28.4", "19.7", "44.9", "67.0", "44.5"]
    assert body[-1] == ["Even chance", "12.5", "12.5", "12.5", "46.4", "46.4", "46.4"]
    assert len(body) == 9


def test_the_table_is_drawn_with_its_nulls_and_beside_others(tmp_path: Path) -> None:
    rows = repetition(many_domains(3), intervals=Intervals(replicates=20))
    made = repetition_table(rows, compared=[{**each, "domain": "domain 1"} for each in of_the_paper()[:6]])
    text = svg_of(made, tmp_path)
    assert "domain 2" in text and "layer 1" in text and "First or second choice" in text
    assert "12.5 % and 46.4 %" in made.caption and "396 pairs" in made.caption
    made.save(tmp_path / "x.tex")
    assert "Even chance & 12.5" in (tmp_path / "x.tex").read_text()


def test_every_layer_is_drawn_with_what_is_above_chance(tmp_path: Path) -> None:
    text = svg_of(repetition_by_layer(repetition(many_domains(9), intervals=Intervals(replicates=20))), tmp_path)
    assert "above marginal" in text and "marginal nulls" in text and "domain 8" in text


def test_pairs_that_are_not_there_leave_a_gap(tmp_path: Path) -> None:
    trace = MemoryTrace([constant(1, name="a"), constant(1, name="b"), constant(9, name="a", domain="y")])
    rows = repetition(trace)
    assert table_cells(rows)[1] == ["x", "–", "–"]
    svg_of(repetition_table(rows), tmp_path)
    svg_of(repetition_by_layer(rows), tmp_path)


def test_a_trace_whose_order_nobody_knows_has_one_column(tmp_path: Path) -> None:
    trace = many_domains(2)
    rows = repetition(MemoryTrace(trace.given, stated=manifest_of(trace.given, rank_ordered=None)))
    assert table_cells(rows)[0] == ["", *(f"First or second choice, layer {layer}" for layer in range(3))]
    assert "First or second choice" in svg_of(repetition_table(rows), tmp_path)
    svg_of(repetition_by_layer(rows), tmp_path)
