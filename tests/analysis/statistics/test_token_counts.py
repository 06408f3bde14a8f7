"""Counts by token id and expert are those of the trace, whatever stands for a token."""

from dataclasses import replace

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.statistics.token_counts import TokenCounts, halves, token_counts
from octavo.analysis.store import DocumentRoutes
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, document

TRACE = MemoryTrace(
    [
        document([(0, 1), (2, 3), (0, 3)], tokens=[70, 5, 70], name="a", prediction_T=np.array([1, 2, 3], np.uint32)),
        document([(4, 5), (2, 1)], tokens=[5, 9], name="b", prediction_T=np.array([1, 1], np.uint32)),
    ]
)


def as_dict(counts: TokenCounts) -> dict[int, dict[int, int]]:
    table = counts.count_LXE[0]
    return {
        token: {int(expert): int(table[x, expert]) for expert in np.flatnonzero(table[x])}
        for x, token in enumerate(counts.id_X.tolist())
    }


def test_first_choices_are_counted_by_id() -> None:
    assert as_dict(token_counts(TRACE)) == {5: {2: 1, 4: 1}, 9: {2: 1}, 70: {0: 2}}


def test_either_counts_all_experts_and_tokens_once() -> None:
    counts = token_counts(TRACE, choice="either")
    assert as_dict(counts)[70] == {0: 2, 1: 1, 3: 1}
    assert counts.token_X(0).tolist() == [2, 1, 2]


def test_the_next_id_stays_in_its_document() -> None:
    assert as_dict(token_counts(TRACE, target="next")) == {5: {0: 1}, 9: {4: 1}, 70: {2: 1}}


def test_the_predicted_id_is_the_models() -> None:
    assert as_dict(token_counts(TRACE, target="predicted")) == {1: {0: 1, 2: 1, 4: 1}, 2: {2: 1}, 3: {0: 1}}


def test_halves_of_the_documents_add_up() -> None:
    even, odd, both = halves(TRACE)
    assert even.id_X.tolist() == odd.id_X.tolist() == both.id_X.tolist()
    assert as_dict(even)[9] == {}
    np.testing.assert_array_equal(even.count_LXE + odd.count_LXE, both.count_LXE)


def test_many_chunks_with_new_ids_are_one_table() -> None:
    rng = np.random.default_rng(0)
    ids = [rng.integers(3000, size=50) for _ in range(30)]
    documents = [document([(int(x) % 8, 7 - int(x) % 2) for x in each], tokens=each.tolist(), name=str(number))
                 for number, each in enumerate(ids)]  # fmt: skip
    trace = MemoryTrace(documents)
    in_pieces = MemoryTrace.chunks
    whole = token_counts(trace)
    try:
        MemoryTrace.chunks = lambda self, **asked: in_pieces(self, **{**asked, "max_tokens": 60})  # type: ignore[method-assign,assignment]
        pieces = token_counts(trace)
    finally:
        MemoryTrace.chunks = in_pieces  # type: ignore[method-assign]
    np.testing.assert_array_equal(whole.id_X, np.unique(np.concatenate(ids)))
    np.testing.assert_array_equal(whole.count_LXE, pieces.count_LXE)
    assert all((table.argmax(axis=1) == whole.id_X % 8).all() for table in whole.count_LXE)


def test_a_table_is_cut_to_the_ids_that_occur() -> None:
    table = np.zeros((1, 6, 2), np.int64)
    table[0, 4] = [3, 5]
    counts = TokenCounts.of_table(table, layers=(0,), k=2)
    assert (counts.id_X.tolist(), counts.token_X(0).tolist()) == ([4], [4.0])
    assert len(counts.with_at_least(5).id_X) == 0


def test_what_the_trace_does_not_have_is_refused() -> None:
    with pytest.raises(TraceError, match="no choice"):
        token_counts(TRACE, choice="second")
    with pytest.raises(TraceError, match="no target"):
        token_counts(TRACE, target="previous")
    with pytest.raises(TraceError, match="without the predicted ids"):
        token_counts(MemoryTrace([document([(0, 1)])]), target="predicted")
    with pytest.raises(TraceError, match="without token ids"):
        token_counts(MemoryTrace([DocumentRoutes(domain="x", name="a", expert_TLK=np.zeros((1, 1, 1), np.uint8))]))
    with pytest.raises(TraceError, match="token counts have shape"):
        TokenCounts(
            id_X=np.zeros(2, np.int64), count_LXE=np.zeros((1, 3, 8), np.int64), layers=(0,), choice="first", k=2
        )


def test_counts_without_rows_hold_the_same_table() -> None:
    trace = MemoryTrace(TRACE.given, replace(TRACE.manifest, vocab_size=100))
    kept = Accumulators.over(trace, contents=Contents(replicates=0))
    for choice in ("first", "either"):
        assert as_dict(token_counts(kept, choice=choice)) == as_dict(token_counts(trace, choice=choice))
    with pytest.raises(TraceError, match="each token's own id"):
        token_counts(kept, target="next")


def test_first_choices_want_known_ranks() -> None:
    trace = MemoryTrace(TRACE.given, replace(TRACE.manifest, rank_ordered=None))
    assert len(token_counts(trace, choice="either").id_X) == 3
    with pytest.raises(TraceError, match="nobody knows which expert came first"):
        token_counts(trace)


def test_a_table_too_large_for_memory_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octavo.analysis.statistics.token_counts.MOST_CELLS", 40)
    with pytest.raises(TraceError, match="choose fewer layers"):
        token_counts(TRACE)
