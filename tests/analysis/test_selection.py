"""Which tokens and pairs count, and the switches."""

import numpy as np
import pytest

from octavo.analysis.chunk import Chunk, Flag, Phase
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.errors import TraceError

BOS = Flag.BOS | Flag.SPECIAL


def chunk_of(flags: list[list[int]], positions: list[list[int]] | None = None) -> Chunk:
    """Documents with these flags; where tokens stand is 0, 1, 2 ... unless said."""
    lengths = [len(each) for each in flags]
    rows = [position for each in positions or [list(range(length)) for length in lengths] for position in each]
    return Chunk(
        domain="x",
        document_S=np.arange(len(flags), dtype=np.uint32),
        start_S1=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        position_T=np.array(rows, np.uint32),
        phase_T=np.array([t % 2 for t in range(len(rows))], np.uint8),
        flag_T=np.array([flag for each in flags for flag in each], np.uint16),
        expert_LTK=np.zeros((1, len(rows), 2), np.uint8),
        code_LT=None,
    )


def test_control_tokens_and_missing_rows_are_left_out() -> None:
    chunk = chunk_of([[BOS, 0, Flag.SPECIAL, Flag.MISSING, Flag.TIE]])
    assert Selection().token_T(chunk).tolist() == [False, True, False, False, True]


def test_the_switches_let_in_one_kind_each() -> None:
    chunk = chunk_of([[BOS, Flag.BOS, 0, Flag.SPECIAL, Flag.MISSING, BOS | Flag.MISSING]])
    assert Selection(bos=True).token_T(chunk).tolist() == [True, True, True, False, False, False]
    assert Selection(special=True).token_T(chunk).tolist() == [False, False, True, True, False, False]
    assert Selection(bos=True, special=True).token_T(chunk).tolist() == [True, True, True, True, False, False]


def test_only_what_was_written_counts_where_asked() -> None:
    chunk = chunk_of([[0, 0, 0, 0]])
    assert Selection(phase=Phase.GENERATED).token_T(chunk).tolist() == [False, True, False, True]


def test_pairs_stay_within_a_document_and_among_tokens_that_count() -> None:
    chunk = chunk_of([[BOS, 0, 0], [0, 0, Flag.MISSING, 0]])
    assert np.flatnonzero(Selection().pair_T(chunk)).tolist() == [1, 3]
    assert np.flatnonzero(Selection().pair_T(chunk, lag=2)).tolist() == [4]
    assert np.flatnonzero(Selection(bos=True).pair_T(chunk)).tolist() == [0, 1, 3]
    assert np.flatnonzero(Selection(across_documents=True).pair_T(chunk)).tolist() == [1, 2, 3]


def test_a_gap_in_the_positions_is_no_pair() -> None:
    chunk = chunk_of([[0, 0, 0]], [[0, 1, 5]])
    assert Selection().pair_T(chunk).tolist() == [True, False]


def test_a_document_shorter_than_the_lag_has_no_pairs() -> None:
    assert Selection().pair_T(chunk_of([[0, 0]]), lag=5).tolist() == []
    with pytest.raises(TraceError, match="a lag of 0 tokens"):
        Selection().pair_T(chunk_of([[0, 0]]), lag=0)


def test_a_domain_or_layer_that_is_not_there_is_refused_with_those_that_are() -> None:
    manifest = TraceManifest(num_experts=8, num_experts_per_tok=2, layers=(3, 5, 9))
    assert Selection(layers=(9, 3)).layers_of(manifest) == (3, 9)
    assert Selection().layers_of(manifest) == (3, 5, 9)
    with pytest.raises(TraceError, match=r"layer 4 .* it has the layers 3, 5, 9"):
        Selection(layers=(4,)).layers_of(manifest)
    assert Selection(domains=("b", "a")).domains_among(("a", "b", "c")) == ("a", "b")
    with pytest.raises(TraceError, match=r"no domain 'z' .* it has a, b"):
        Selection(domains=("z",)).domains_among(("a", "b"))
    with pytest.raises(TraceError, match="without domains"):
        Selection().domains_among(())
