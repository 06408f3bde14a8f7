"""Attention against a loop over tokens in float64: packed and paged, grouped heads, windows, stale pages."""

import pytest
import torch
from torch import Tensor

from octavo.batch import Batch, Pages
from octavo.ops.attention.reference import packed_attention, paged_attention

HEADS, KV_HEADS, HEAD_DIM, PAGE = 6, 2, 8, 4
WINDOWS = [None, 1, 3, 4, 9, 100]


def by_token(query_TQH: Tensor, key_TGH: Tensor, value_TGH: Tensor, window: int | None) -> Tensor:
    said = []
    for position in range(query_TQH.shape[0]):
        first = 0 if window is None else max(0, position - window + 1)
        heads = []
        for head in range(HEADS):
            group = head // (HEADS // KV_HEADS)
            key_CH = key_TGH[first : position + 1, group].double()
            score_C = key_CH @ query_TQH[position, head].double() / HEAD_DIM**0.5
            heads.append(score_C.softmax(dim=0) @ value_TGH[first : position + 1, group].double())
        said.append(torch.stack(heads))
    return torch.stack(said).float()


def heads(tokens: int, seed: int) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    query = torch.randn(tokens, HEADS, HEAD_DIM, generator=generator)
    key, value = torch.randn(2, tokens, KV_HEADS, HEAD_DIM, generator=generator)
    return query, key, value


def starts(lengths: list[int]) -> Tensor:
    return torch.tensor([0, *lengths]).cumsum(0).int()


@pytest.mark.parametrize("window", WINDOWS)
def test_packed_sequences_attend_within_themselves(window: int | None) -> None:
    sequences = [heads(length, seed) for seed, length in enumerate((7, 1, 13))]
    query, key, value = (torch.cat(parts) for parts in zip(*sequences, strict=True))
    lengths = [7, 1, 0, 13, 0]
    batch = Batch(torch.zeros(21), torch.zeros(21), starts(lengths), 13)
    wanted = torch.cat([by_token(*sequence, window) for sequence in sequences])
    torch.testing.assert_close(packed_attention(query, key, value, batch, window), wanted)


@pytest.mark.parametrize("window", WINDOWS)
@pytest.mark.parametrize("new", [[1, 1, 1], [1, 5, 2], [7, 1, 13], [4, 1, 13]], ids=str)
def test_paged_sequences_attend_to_what_is_cached(window: int | None, new: list[int]) -> None:
    lengths = [7, 9, 13]
    sequences = [heads(length, seed) for seed, length in enumerate(lengths)]
    key_PBGH, value_PBGH = (torch.full((20, PAGE, KV_HEADS, HEAD_DIM), float("nan")) for _ in range(2))
    key_PBGH[0], value_PBGH[0] = 1e4, 1e4  # what a stale entry of a block table points at
    page_SP = torch.zeros(3, 5, dtype=torch.long)
    free = iter(torch.randperm(19, generator=torch.Generator().manual_seed(0)) + 1)
    for row, ((_, key, value), length, num_new) in enumerate(zip(sequences, lengths, new, strict=True)):
        first = 0 if window is None else max(0, length - num_new - window + 1)
        for page in range(first // PAGE, -(-length // PAGE)):
            page_SP[row, page] = next(free)
            for pool, rows in ((key_PBGH, key), (value_PBGH, value)):
                held = rows[page * PAGE : (page + 1) * PAGE]
                pool[page_SP[row, page]] = 0.0  # the cache is made of zeros
                pool[page_SP[row, page], : held.shape[0]] = held
    query = torch.cat(
        [q[length - num_new :] for (q, _, _), length, num_new in zip(sequences, lengths, new, strict=True)]
    )
    tokens = sum(new)
    pages = Pages(torch.zeros(tokens), page_SP, torch.tensor(lengths, dtype=torch.int32), max(lengths))
    batch = Batch(torch.zeros(tokens), torch.zeros(tokens), starts(new), max(new), None, pages)
    whole = [by_token(*sequence, window) for sequence in sequences]
    wanted = torch.cat([y[length - num_new :] for y, length, num_new in zip(whole, lengths, new, strict=True)])
    torch.testing.assert_close(paged_attention(query, key_PBGH, value_PBGH, batch, window), wanted)


def test_a_batch_without_pages_is_refused() -> None:
    query, key, value = heads(3, 0)
    batch = Batch(torch.zeros(3), torch.zeros(3), starts([3]), 3)
    with pytest.raises(ValueError, match="without pages: give it pages, or use packed_attention"):
        paged_attention(query, key[None], value[None], batch, None)
