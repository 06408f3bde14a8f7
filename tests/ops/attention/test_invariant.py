"""Invariant attention: the reference's numbers, and the same bits alone, in a chunk, and out of the cache."""

import pytest
import torch

from octavo.batch import Batch, Pages
from octavo.ops.attention import invariant, reference

HEADS, GROUPS, WIDTH, PAGE = 6, 2, 10, 4


def packed(lengths: list[int]) -> Batch:
    starts = torch.tensor([0, *lengths]).cumsum(0, dtype=torch.int32)
    total = sum(lengths)
    return Batch(torch.zeros(total, dtype=torch.long), torch.zeros(total, dtype=torch.long), starts, max(lengths))


def paged(news: list[int], contexts: list[int], tables: list[list[int]]) -> Batch:
    batch = packed(news)
    width = max(map(len, tables))
    page_SP = torch.tensor([[*table, *[0] * (width - len(table))] for table in tables])
    slot_T = torch.zeros(sum(news), dtype=torch.long)
    pages = Pages(slot_T, page_SP, torch.tensor(contexts), max(contexts))
    return Batch(batch.token_T, batch.position_T, batch.query_start_S1, batch.max_query, None, pages)


@pytest.mark.parametrize("window", [None, 1, 5])
def test_packed_sequences_are_attended_as_the_reference_does(window: int | None) -> None:
    batch = packed([7, 1, 12])
    query, key, value = (torch.randn(20, heads, WIDTH) for heads in (HEADS, GROUPS, GROUPS))
    found = invariant.packed_attention(query, key, value, batch, window)
    torch.testing.assert_close(found, reference.packed_attention(query, key, value, batch, window))


@pytest.mark.parametrize("window", [None, 1, 5, 6])
def test_cached_positions_are_attended_as_the_reference_does(window: int | None) -> None:
    cache = [torch.randn(9, PAGE, GROUPS, WIDTH) for _ in range(2)]
    batch = paged([3, 1, 5], [11, 6, 5], [[3, 1, 7], [2, 5], [4, 8]])
    query = torch.randn(9, HEADS, WIDTH)
    found = invariant.paged_attention(query, *cache, batch, window)
    torch.testing.assert_close(found, reference.paged_attention(query, *cache, batch, window))


@pytest.mark.parametrize("window", [None, 1, 5, 6])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
def test_a_token_gets_the_same_bits_in_a_chunk_alone_and_without_a_cache(
    window: int | None, dtype: torch.dtype
) -> None:
    length = 15
    query, key, value = (torch.randn(length, heads, WIDTH).to(dtype) for heads in (HEADS, GROUPS, GROUPS))
    whole = invariant.packed_attention(query, key, value, packed([length]), window)
    table = [6, 2, 5, 1]
    cache = [torch.zeros(8, PAGE, GROUPS, WIDTH, dtype=dtype) for _ in range(2)]
    for position in range(length):
        for held, new in zip(cache, (key, value), strict=True):
            held[table[position // PAGE], position % PAGE] = new[position]
    chunk = invariant.paged_attention(query[4:], *cache, paged([length - 4], [length], [table]), window)
    assert torch.equal(chunk, whole[4:])
    for position in range(length):
        # Pages before the window were handed back, and somebody else's values are in them.
        first = 0 if window is None else max(0, position - window + 1) // PAGE
        others = [held.clone() for held in cache]
        for held in others:
            held[table[:first]] = torch.nan
        held_table = [0] * first + table[first : position // PAGE + 1]
        batch = paged([1], [position + 1], [held_table])
        assert torch.equal(
            invariant.paged_attention(query[position : position + 1], *others, batch, window)[0], whole[position]
        )


def test_a_batch_without_pages_is_refused() -> None:
    with pytest.raises(ValueError, match="without pages"):
        invariant.paged_attention(
            torch.zeros(1, 1, 2), torch.zeros(1, 1, 1, 2), torch.zeros(1, 1, 1, 2), packed([1]), None
        )
