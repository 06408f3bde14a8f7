"""What statistics of counts are computed from: one pass, by domain or together."""

import numpy as np
import pytest

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.chunk import Chunk
from octavo.analysis.statistics import Intervals, Selection
from octavo.analysis.statistics.counted import Counted, bare, counted, expect_ranks
from octavo.errors import TraceError
from tests.analysis.synthetic import MemoryTrace, constant, manifest_of

TRACE = MemoryTrace([constant(3, domain="a"), constant(4, domain="b"), constant(5, domain="b", name="c")])


def tokens(chunk: Chunk) -> np.ndarray:
    return np.diff(chunk.start_S1)


def read(source: MemoryTrace | Accumulators, **options: object) -> Counted:
    settings: dict[str, object] = {"selection": Selection(), "intervals": Intervals(replicates=50)}
    sums = {"tokens": tokens} if source is TRACE else {}
    return counted(source, contents=bare(), by_document=sums, **(settings | options))  # type: ignore[arg-type]


def test_sums_and_replicates_are_by_group() -> None:
    found = read(TRACE)
    (one, two), (both,) = found.groups("domain"), found.groups("all")
    assert [
        float(total) for total in (found.total("tokens", each) for each in (one, two, both)) if total is not None
    ] == [
        3,
        9,
        12,
    ]
    assert found.replicates("tokens", one) is None
    replicate_R = found.replicates("tokens", both)
    assert replicate_R is not None
    assert 9 <= replicate_R.min() <= 12 <= replicate_R.max() <= 15
    assert found.ends(None) is None


def test_what_was_not_summed_is_none() -> None:
    assert read(TRACE).total("pairs", read(TRACE).groups("all")[0]) is None
    assert read(TRACE, intervals=None).replicates("tokens", read(TRACE).groups("all")[0]) is None


def test_counts_of_other_tokens_are_refused() -> None:
    counts = Accumulators.over(TRACE, selection=Selection(special=True))
    with pytest.raises(TraceError, match="made with special=True, not False"):
        read(counts, intervals=None)
    with pytest.raises(TraceError, match="no replicates"):
        read(counts, selection=Selection(special=True))


def test_ranks_that_nobody_knows_are_refused_only_where_they_matter() -> None:
    blind = manifest_of(TRACE.given, rank_ordered=None)
    expect_ranks(blind, ("either",), ("first",))
    with pytest.raises(TraceError, match="no 'first'"):
        expect_ranks(blind, ("either", "first"), ("first",))
