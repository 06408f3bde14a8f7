"""A batch lays chunks end to end, with their positions, their slots and the rows whose logits are wanted."""

import torch

from octavo.engine.batching import build
from octavo.engine.request import Group, Sequence
from octavo.engine.scheduler import Chunk
from tests.engine.serving import request

CPU = torch.device("cpu")


def sequence(tokens: list[int], pages: list[int]) -> Sequence:
    return Sequence(group=Group(request=request(tokens)), index=0, seed=0, token_ids=tokens, pages=pages)


def chunk(
    one: Sequence, start: int, count: int, *, scored: tuple[int, int] | None = None, samples: bool = True
) -> Chunk:
    scored_from, scored_to = scored or (start, start)
    return Chunk(one, start, count, scored_from, scored_to, samples)


def test_chunks_lie_end_to_end() -> None:
    long, short = sequence(list(range(50, 60)), [7, 3, 5]), sequence([9, 8, 6], [2])
    batch = build((chunk(long, 2, 5, samples=False), chunk(short, 2, 1)), page_size=4, device=CPU)
    assert batch.token_T.tolist() == [52, 53, 54, 55, 56, 6]
    assert batch.position_T.tolist() == [2, 3, 4, 5, 6, 2]
    assert batch.query_start_S1.tolist() == [0, 5, 6]
    assert batch.query_start_S1.dtype == torch.int32
    assert batch.max_query == 5
    assert batch.logit_row_R is not None
    assert batch.logit_row_R.tolist() == [5]
    assert batch.pages is not None
    assert batch.pages.slot_T.tolist() == [30, 31, 12, 13, 14, 10]
    assert batch.pages.page_SP.tolist() == [[7, 3], [2, 0]]
    assert batch.pages.context_S.tolist() == [7, 3]
    assert batch.pages.max_context == 7


def test_decoding_wants_the_logits_of_every_row() -> None:
    one = sequence([1, 2, 3], [4])
    batch = build((chunk(one, 2, 1), chunk(one, 2, 1)), page_size=4, device=CPU)
    assert batch.logit_row_R is None


def test_scored_rows_come_before_the_sampled_one() -> None:
    first, second = sequence(list(range(8)), [1, 2]), sequence([5, 6], [3])
    batch = build((chunk(first, 3, 5, scored=(4, 7)), chunk(second, 0, 2)), page_size=4, device=CPU)
    assert batch.logit_row_R is not None
    assert batch.logit_row_R.tolist() == [1, 2, 3, 4, 6]


def test_a_chunk_that_neither_scores_nor_samples_wants_no_logits() -> None:
    batch = build((chunk(sequence([1, 2, 3], [1]), 0, 2, samples=False),), page_size=4, device=CPU)
    assert batch.logit_row_R is not None
    assert batch.logit_row_R.shape == (0,)
