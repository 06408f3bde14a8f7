"""What caches are asked for: the tokens that count, document by document."""

import pytest

from octavo.analysis.selection import Selection
from octavo.analysis.statistics.streams import streams
from tests.analysis.synthetic import MemoryTrace, document


def test_tokens_that_do_not_count_ask_for_nothing() -> None:
    trace = MemoryTrace(
        [
            document([(0, 1), (2, 3), (4, 5)], flags=[3, 0, 0], name="a"),
            document([(6, 7)], flags=[4], name="b"),
            document([(1, 2), (3, 4)], name="c"),
        ]
    )
    ((_, stream),) = streams(trace, Selection())
    assert stream.start_S1.tolist() == [0, 2, 2, 4]
    assert stream.item_GNk[0].tolist() == [[2, 3], [4, 5], [1, 2], [3, 4]]
    assert stream.place_N.tolist() == [0, 0, 2, 2]


def test_documents_that_begin_too_late_are_left_out() -> None:
    trace = MemoryTrace([document([(0, 1)] * 4, name=name) for name in "abc"])
    ((_, stream),) = streams(trace, Selection(), max_tokens=5)
    assert stream.start_S1.tolist() == [0, 4, 8, 8]


def test_fewer_tokens_at_a_time_are_played_by_more_caches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("octavo.analysis.statistics.streams.CELLS", 64)
    trace = MemoryTrace([document([[(0, 1), (2, 3)]] * 2, name=name) for name in "abcd"])
    assert len(list(streams(trace, Selection()))) == 2
    assert len(list(streams(trace, Selection(), shared=True))) == 4
