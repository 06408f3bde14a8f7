"""The parts of a word, and indentation, agree where the router sees them so."""

from typing import Any

import numpy as np
import pytest

from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.word_agreement import word_agreement
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, document

# 0 newline, 1 indentation, 2 and 3 make one word, 4 begins a word of its own, 5 is a point.
PIECES = {0: b"\n", 1: b"  ", 2: b" self", 3: b"ish", 4: b" is", 5: b"."}
LINE = [1, 2, 3, 4, 5, 0]


def rows_of(experts: list[list[int]], lines: int = 20, **options: Any) -> dict[str, dict[str, Any]]:
    """One document for each list of first choices of a line's tokens."""
    documents = [
        document([(each, 7 - each) for each in line] * lines, tokens=LINE * lines, name=str(number))
        for number, line in enumerate(experts)
    ]
    return {each["measure"]: each for each in word_agreement(MemoryTrace(documents, tokens=PIECES), **options)}


def test_parts_of_a_word_are_told_from_neighbouring_words() -> None:
    found = rows_of([[0, 1, 1, 2, 3, 0]])
    assert (found["within-words"]["value"], found["within-words"]["n"]) == (1.0, 20)
    assert (found["between-words"]["value"], found["between-words"]["n"]) == (0.0, 20)
    assert found["within-words"]["null_uniform"] == 0.125


def test_the_null_knows_what_the_places_of_a_word_choose() -> None:
    found = rows_of([[0, 1, 1, 2, 3, 0], [0, 2, 2, 1, 3, 0]])
    assert found["within-words"]["null_marginal"] == pytest.approx(0.5)
    assert found["between-words"]["null_marginal"] == pytest.approx(0.5)
    assert found["between-words"]["value"] == 0.0


def test_indentation_that_has_its_own_expert_agrees() -> None:
    found = rows_of([[6, 1, 2, 3, 4, 5]])["indentation"]
    assert (found["value"], found["n"]) == (1.0, 20)
    assert found["null_marginal"] == pytest.approx(1 / 6)


def test_indentation_of_two_experts_agrees_as_two_draws_do() -> None:
    found = rows_of([[6, 1, 2, 3, 4, 5], [7, 1, 2, 3, 4, 5]], lines=100)["indentation"]
    assert found["value"] == pytest.approx(0.5, abs=0.005)
    assert rows_of([[6, 1, 2, 3, 4, 5]], lines=1)["indentation"]["value"] is None


def test_intervals_come_from_documents() -> None:
    experts = [[number % 2, 1, 1 + number % 3 // 2, 3, 4, 5] for number in range(12)]
    found = rows_of(experts, intervals=Intervals())
    for measure in ("within-words", "indentation"):
        assert found[measure]["lo"] <= found[measure]["value"] < found[measure]["hi"], measure


def test_every_layer_is_counted_on_its_own() -> None:
    routes = [[(expert, 7), (0, 7)] for expert in [0, 1, 2, 3, 4, 5] * 10]
    trace = MemoryTrace([document(np.array(routes).tolist(), tokens=LINE * 10)], tokens=PIECES)
    found = {(each["layer"], each["measure"]): each["value"] for each in word_agreement(trace)}
    assert (found[0, "within-words"], found[1, "within-words"]) == (0.0, 1.0)


def test_without_spelling_nobody_knows_what_a_word_is() -> None:
    with pytest.raises(TraceError, match="or their spelling"):
        word_agreement(MemoryTrace([document([(0, 1)])]))
