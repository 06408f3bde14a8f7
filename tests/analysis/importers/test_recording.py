"""A document keeps what is known of its tokens and flags what is not; recordings join where they agree."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from octavo.analysis.chunk import Flag, Phase
from octavo.analysis.importers.recording import Answer, Marks, document_of, join, named_after, recording_of
from octavo.analysis.importers.shape import RouterShape
from octavo.errors import TraceError

SHAPE = RouterShape(num_experts=8, k=2, layers=(0, 1))
ROWS = np.array([[[0, 1], [2, 3]], [[4, 5], [6, 7]], [[1, 0], [3, 2]]])
ANSWER = Answer(
    where="answer 0",
    name="a",
    expert_TLK=ROWS,
    prompt_ids=(1, 9),
    output_ids=(8, 2),
    num_prompt=2,
    num_output=2,
)
MISSING, CACHED = int(Flag.MISSING), int(Flag.CACHED)


def test_the_last_token_which_nobody_read_is_missing() -> None:
    document, _ = document_of(ANSWER, SHAPE, domain="d", marks=None)
    assert document.num_tokens == 4
    assert document.flag_T is not None and document.flag_T.tolist() == [0, 0, 0, MISSING]
    assert document.expert_TLK[:3].tolist() == ROWS.tolist() and not document.expert_TLK[3].any()
    assert document.token_T is not None and document.token_T.tolist() == [1, 9, 8, 2]
    assert document.phase_T is not None
    assert document.phase_T.tolist() == [Phase.PROMPT] * 2 + [Phase.GENERATED] * 2


def test_rows_that_an_earlier_request_read_are_missing_and_cached() -> None:
    rows = ROWS.copy()
    rows[0] = -1
    document, _ = document_of(replace(ANSWER, expert_TLK=rows), SHAPE, domain="d", marks=None)
    assert document.flag_T is not None and document.flag_T.tolist() == [MISSING | CACHED, 0, 0, MISSING]
    later, _ = document_of(replace(ANSWER, expert_TLK=ROWS[1:], start=1), SHAPE, domain="d", marks=None)
    assert later.flag_T is not None and later.flag_T.tolist() == document.flag_T.tolist()
    assert np.array_equal(later.expert_TLK[1:], document.expert_TLK[1:])


def test_a_prompt_alone_that_has_no_last_row_lost_it() -> None:
    prompt = replace(ANSWER, prompt_ids=(1, 9, 8, 2), output_ids=(), num_prompt=4, num_output=0)
    document, _ = document_of(prompt, SHAPE, domain="d", marks=None)
    assert document.flag_T is not None and document.flag_T[3] & Flag.MISSING


def test_the_order_is_known_only_with_weights() -> None:
    known = replace(ANSWER, weight_TLK=np.tile([0.25, 0.75], (3, 2, 1)))
    assert recording_of([ANSWER], SHAPE, source="x", domain="d", marks=None).rank_ordered is None
    recording = recording_of([known], SHAPE, source="x", domain="d", marks=None)
    assert recording.rank_ordered is True and recording.renormalized
    (document,) = recording.documents
    assert document.expert_TLK[0].tolist() == [[1, 0], [3, 2]]
    assert document.weight_TLK is not None and document.weight_TLK[0, 0].tolist() == [0.75, 0.25]
    with pytest.raises(TraceError, match="some answers have weights, some have none"):
        recording_of([ANSWER, known], SHAPE, source="x", domain="d", marks=None)


def test_special_tokens_are_flagged_where_they_are_known() -> None:
    document, _ = document_of(ANSWER, SHAPE, domain="d", marks=Marks(bos=1, special=frozenset({1, 2})))
    assert document.flag_T is not None
    assert document.flag_T.tolist() == [Flag.BOS | Flag.SPECIAL, 0, 0, Flag.SPECIAL | Flag.MISSING]


def test_without_ids_there_are_no_tokens_and_without_counts_no_missing_one() -> None:
    bare = replace(ANSWER, prompt_ids=None, output_ids=None, num_prompt=None, num_output=None)
    document, _ = document_of(bare, SHAPE, domain="d", marks=Marks(bos=1))
    assert document.token_T is None and document.num_tokens == 3
    assert document.flag_T is not None and not document.flag_T.any()
    counted, _ = document_of(replace(bare, num_prompt=2, num_output=2), SHAPE, domain="d", marks=None)
    assert counted.token_T is None and counted.num_tokens == 4


@pytest.mark.parametrize("output", [0, 3, 4])
def test_rows_and_tokens_agree(output: int) -> None:
    wrong = replace(ANSWER, output_ids=tuple(range(output)), num_output=output)
    with pytest.raises(TraceError, match=rf"answer 0: rows of experts for the tokens 0 to 2 of {2 + output}"):
        document_of(wrong, SHAPE, domain="d", marks=None)


def test_answers_without_rows_or_with_ids_below_zero_are_refused() -> None:
    with pytest.raises(TraceError, match="no rows of experts"):
        document_of(
            replace(ANSWER, expert_TLK=ROWS[:0], prompt_ids=(1,), output_ids=(), num_prompt=1, num_output=0),
            SHAPE,
            domain="d",
            marks=None,
        )
    with pytest.raises(TraceError, match="token id -3"):
        document_of(replace(ANSWER, prompt_ids=(1, -3)), SHAPE, domain="d", marks=None)
    with pytest.raises(TraceError, match="no vocabulary is so large"):
        document_of(replace(ANSWER, prompt_ids=(1, 10**30)), SHAPE, domain="d", marks=None)
    with pytest.raises(TraceError, match="no answers of x to import"):
        recording_of([], SHAPE, source="x", domain="d", marks=None)


def test_recordings_join_where_they_agree() -> None:
    one = recording_of([ANSWER], SHAPE, source="x", domain="one", marks=None)
    two = recording_of([ANSWER], SHAPE, source="x", domain="two", marks=None)
    joined = join([one, two])
    assert [document.domain for document in joined.documents] == ["one", "two"]
    manifest = joined.manifest()
    assert (manifest.rank_ordered, manifest.has_tokens, manifest.has_weights, manifest.source) == (
        None,
        True,
        False,
        "x",
    )
    assert manifest.settings["special_tokens"] == "unknown"
    with pytest.raises(TraceError, match="import each into a trace of its own"):
        join([one, replace(two, rank_ordered=True)])


def test_a_domain_is_named_after_its_file() -> None:
    assert named_after(Path("x/arxiv.jsonl")) == "arxiv"
    assert named_after(Path("code.test.npz")) == "code"
    assert named_after(Path(".hidden")) == ".hidden"
