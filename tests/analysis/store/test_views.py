"""``routes`` has a row for each token, layer and rank, with the numbers that the reader gives."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from octavo.analysis.store import RouteTrace
from octavo.analysis.store.views import quoted, tokens_view
from tests.analysis.store.test_decode import SHAPES, routed
from tests.analysis.store.test_query import ask
from tests.analysis.store.traces import parts_of, rewrite, set_cell, written
from tests.analysis.synthetic import document, manifest_of

LAYERS = (0, 7, 15)
NUMBERS = "select pos, layer, rank, expert, weight, logit from routes order by pos, layer, rank"


@pytest.mark.parametrize(("num_experts", "k"), SHAPES)
@pytest.mark.parametrize("stated", [{}, {"exact_weights": True, "logits_step": 0.125}])
def test_the_numbers_are_those_of_the_reader(num_experts: int, k: int, stated: dict[str, Any], tmp_path: Path) -> None:
    given = routed(num_experts, k)
    manifest = manifest_of([given], num_experts=num_experts, layers=LAYERS, **stated)
    trace = RouteTrace.open(written(tmp_path / "x.route", [given], manifest))
    (chunk,) = trace.chunks(weights=True, logits=True)
    assert chunk.weight_LTK is not None and chunk.logits_LTE is not None
    rows = ask(trace, NUMBERS)
    assert len(rows) == given.num_tokens * 3 * k
    for position, layer, rank, *numbers in rows:
        place, token = LAYERS.index(layer), int(position)
        if token == 5:
            assert numbers == [None] * 3
            continue
        expert = chunk.expert_LTK[place, token, rank]
        wanted = [expert, chunk.weight_LTK[place, token, rank], chunk.logits_LTE[place, token, expert]]
        assert np.allclose(numbers, wanted, rtol=0, atol=1e-6)


def test_first_and_the_flags_are_columns(tmp_path: Path) -> None:
    given = [document([(3, 5), (0, 0), (1, 2)], flags=[3, 4, 0])]
    trace = RouteTrace.open(written(tmp_path / "x.route", given))
    found = ask(trace, "select pos, first, expert, bos, special, missing, legal from routes order by pos, rank")
    assert found == [
        (0, True, 3, True, True, False, True),
        (0, False, 5, True, True, False, True),
        (1, True, None, False, False, True, None),
        (1, False, None, False, False, True, None),
        (2, True, 1, False, False, False, True),
        (2, False, 2, False, False, False, True),
    ]


@pytest.mark.parametrize("code", [9, 64, 255])
def test_an_illegal_code_is_seen(tmp_path: Path, code: int) -> None:
    folder = written(tmp_path / "x.route", [document([(3, 5), (1, 2)])])
    rewrite(parts_of(folder)[0], set_cell("r0", 1, code))
    trace = RouteTrace.open(folder)
    assert ask(trace, "select pos, legal from routes where first order by pos") == [(0, True), (1, False)]


def test_a_question_about_one_layer_reads_that_layer_only(tmp_path: Path) -> None:
    trace = RouteTrace.open(written(tmp_path / "x.route", [document([[(3, 5), (0, 1)]])]))
    ((_, plan),) = ask_plan(trace, "select expert, count(*) from routes where layer = 1 group by all")
    assert "r1" in plan
    assert "r0" not in plan


def ask_plan(trace: RouteTrace, text: str) -> list[tuple[str, str]]:
    """DuckDB's plan; EXPLAIN is no SELECT, so the views are opened by hand."""
    import duckdb

    from octavo.analysis.store import views

    connection = duckdb.connect()
    for statement in (*views.MACROS, tokens_view(trace.parts, trace.manifest), views.routes_view(trace.manifest)):
        connection.execute(statement)
    plan: list[tuple[str, str]] = connection.execute(f"explain {text}").fetchall()
    connection.close()
    return plan


def test_a_text_is_quoted() -> None:
    assert quoted("it's") == "'it''s'"
