"""Ratios are of sums over documents, not means of documents' ratios."""

import numpy as np
import pytest

from octavo.analysis.statistics.intervals import Intervals
from octavo.analysis.statistics.ratios import Ratios, by_document


def test_sums_are_taken_document_by_document() -> None:
    value_TX = np.arange(10).reshape(5, 2)
    assert by_document(value_TX, np.array([0, 2, 5])).tolist() == [[2, 4], [18, 21]]
    assert by_document(np.array([[True], [True], [False]]), np.array([0, 2, 3])).tolist() == [[2], [0]]


def test_a_ratio_weighs_documents_by_their_tokens() -> None:
    found = Ratios()
    found.add("x", np.array([[1.0, 0.0]]), np.array([[10, 0]]))
    found.add("x", np.array([[9.0, 0.0]]), np.array([[10, 0]]))
    first, second = found.rows("x", [{"layer": 0}, {"layer": 1}], intervals=None, nulls={"null_uniform": [0.125, None]})
    assert (first["value"], first["n"], first["null_uniform"], first["lo"]) == (0.5, 20, 0.125, None)
    assert (second["value"], second["n"]) == (None, 0)
    assert list(first)[:2] == ["domain", "layer"]


def test_an_interval_spans_the_documents() -> None:
    found = Ratios()
    found.add("x", np.array([[1], [9], [5]]), np.array([[10], [10], [10]]))
    row = found.rows("x", [{}], intervals=Intervals())[0]
    assert 0.1 <= row["lo"] < 0.5 < row["hi"] <= 0.9


def test_no_documents_no_domain() -> None:
    with pytest.raises(KeyError):
        Ratios().of("x")
