"""A sample reads like the trace it is the beginning of."""

import numpy as np

from octavo.analysis.report.sample import draw_sample
from octavo.analysis.source import TraceSource
from tests.analysis.report.traces import PIECES, small_trace


def test_a_sample_of_all_reads_like_the_trace() -> None:
    trace = small_trace()
    sample = draw_sample(trace, PIECES)
    assert isinstance(sample, TraceSource)
    assert sample.domains == trace.domains
    assert sample.num_tokens == trace.num_tokens
    for one, other in zip(sample.chunks(weights=True), trace.chunks(weights=True), strict=True):
        np.testing.assert_array_equal(one.expert_LTK, other.expert_LTK)
        np.testing.assert_array_equal(one.weight_LTK, other.weight_LTK)


def test_a_sample_holds_whole_documents_of_every_domain_and_no_more_than_asked() -> None:
    sample = draw_sample(small_trace(), PIECES, max_tokens=250)
    assert [len(chunk.document_S) for chunk in sample.chunks()] == [2, 2]
    assert draw_sample(small_trace(), PIECES, max_tokens=1).num_tokens == 2 * 60


def test_layers_and_columns_are_those_that_were_asked_for() -> None:
    sample = draw_sample(small_trace(), PIECES)
    (chunk,) = sample.chunks(domains=["prose"], layers=[3, 1])
    (whole,) = sample.chunks(domains=["prose"], weights=True)
    np.testing.assert_array_equal(chunk.expert_LTK, whole.expert_LTK[[3, 1]])
    assert chunk.code_LT is not None
    assert chunk.code_LT.shape[0] == 2
    assert chunk.weight_LTK is None
    assert not sample.manifest.has_logits
    assert sample.vocabulary() == PIECES
