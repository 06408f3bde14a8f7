"""The traces that tests are made of are themselves what they say."""

import numpy as np
import pytest

from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, by_token, chunk_of, constant, document, period_two, uniform


def test_a_trace_in_memory_yields_whole_documents_domain_by_domain() -> None:
    trace = MemoryTrace([constant(3, domain="b"), constant(4, domain="a"), constant(5, domain="b", name="c")])
    assert trace.domains == ("a", "b")
    assert trace.num_tokens == 12
    assert [(each.domain, each.document_S.tolist()) for each in trace.chunks(max_tokens=8)] == [
        ("a", [1]),
        ("b", [0, 2]),
    ]
    assert [each.document_S.tolist() for each in trace.chunks(max_tokens=7)] == [[1], [0], [2]]


def test_layers_and_columns_are_those_that_were_asked_for() -> None:
    trace = MemoryTrace([document([[(0, 1), (2, 3)]], nll_T=np.zeros(1))])
    (chunk,) = trace.chunks(layers=[1])
    assert chunk.expert_LTK.tolist() == [[[2, 3]]]
    assert chunk.nll_T is None
    (chunk,) = trace.chunks(nll=True)
    assert chunk.nll_T is not None
    with pytest.raises(TraceError, match="no weights"):
        next(trace.chunks(weights=True))


def test_uniform_documents_are_uniform() -> None:
    chunk = chunk_of([uniform(40_000)])
    share_E = np.bincount(chunk.expert_LTK.ravel(), minlength=8) / chunk.expert_LTK.size
    assert np.abs(share_E - 1 / 8).max() < 0.01


def test_known_documents_are_known() -> None:
    assert chunk_of([constant(2)]).code_LT is not None
    assert chunk_of([period_two(3)]).expert_LTK[0].tolist() == [[0, 1], [2, 3], [0, 1]]
    assert chunk_of([by_token([9, 7])]).expert_LTK[0].tolist() == [[1, 2], [7, 0]]
