"""The GPU's decoding attention equals the reference over pages in any order, in one part or several."""

import pytest
import torch
from torch.testing import assert_close

pytest.importorskip("triton")

from octavo.batch import Batch, Pages
from octavo.ops.attention import reference
from octavo.ops.attention.triton import Tile, paged_attention, rotate_write_attend, tile_for
from octavo.ops.rope.reference import rotate, rotation

PAGE, NUM_PAGES = 4, 30
CONTEXTS = (1, 7, 30, 0, 16)
pytestmark = pytest.mark.usefixtures("poison")


def _batch(device: str) -> Batch:
    """One new token each of sequences with ``CONTEXTS`` positions; the one without any has no token either."""
    free = (torch.randperm(NUM_PAGES - 1) + 1).tolist()
    page_SP = torch.zeros(len(CONTEXTS), 8, dtype=torch.int64)
    for sequence, context in enumerate(CONTEXTS):
        held = -(-context // PAGE)
        page_SP[sequence, :held], free = torch.tensor(free[:held]), free[held:]
    live = [s for s, context in enumerate(CONTEXTS) if context]
    position_T = torch.tensor([CONTEXTS[s] - 1 for s in live])
    slot_T = torch.tensor([page_SP[s, p // PAGE] * PAGE + p % PAGE for s, p in zip(live, position_T, strict=True)])
    starts = torch.tensor([0, *(torch.tensor(CONTEXTS) > 0).cumsum(0).tolist()], dtype=torch.int32)
    pages = Pages(slot_T.to(device), page_SP.to(device), torch.tensor(CONTEXTS, device=device), max(CONTEXTS))
    return Batch(torch.zeros_like(position_T).to(device), position_T.to(device), starts.to(device), 1, None, pages)


def _inputs(shape: tuple[int, int, int], batch: Batch, dtype: torch.dtype) -> tuple[torch.Tensor, ...]:
    num_queries, num_kv_heads, head_dim = shape
    device = batch.token_T.device
    heads_TNH = torch.randn(batch.token_T.shape[0], num_queries + 2 * num_kv_heads, head_dim, device=device)
    cache = torch.randn(2, NUM_PAGES, PAGE, num_kv_heads, head_dim, device=device)
    return heads_TNH.to(dtype), *cache.to(dtype).unbind()


def _written(
    heads_TNH: torch.Tensor, key: torch.Tensor, value: torch.Tensor, batch: Batch
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """The turned queries, and the cache with the new keys and values, by the reference."""
    num_kv_heads = key.shape[2]
    assert batch.pages is not None
    rope = rotation(batch.position_T, key.shape[3], 1e4)
    turned_TNH = rotate(heads_TNH[:, :-num_kv_heads], *rope)
    key, value = key.clone(), value.clone()
    key.flatten(0, 1)[batch.pages.slot_T] = turned_TNH[:, -num_kv_heads:]
    value.flatten(0, 1)[batch.pages.slot_T] = heads_TNH[:, -num_kv_heads:]
    return turned_TNH[:, :-num_kv_heads].contiguous(), key, value


TILES = [
    None,
    Tile(positions=16, parts=1, warps=4, stages=2),
    Tile(positions=16, parts=3, warps=4, stages=2),
]


@pytest.mark.parametrize("window", [None, 5])
@pytest.mark.parametrize("shape", [(4, 2, 16), (3, 1, 24)])
@pytest.mark.parametrize("tile", TILES, ids=["own", "one part", "three parts"])
def test_in_float32_it_equals_the_reference(
    shape: tuple[int, int, int], window: int | None, tile: Tile | None, device: str
) -> None:
    batch = _batch(device)
    heads_TNH, key, value = _inputs(shape, batch, torch.float32)
    query_TQH, wanted_key, wanted_value = _written(heads_TNH, key, value, batch)
    wanted = reference.paged_attention(query_TQH, wanted_key, wanted_value, batch, window)
    assert_close(paged_attention(query_TQH, wanted_key, wanted_value, batch, window, tile=tile), wanted)
    rope = rotation(batch.position_T, shape[2], 1e4)
    assert_close(rotate_write_attend(heads_TNH, rope, (key, value), batch, window, tile=tile), wanted)
    assert_close(key, wanted_key)
    assert torch.equal(value, wanted_value)


def test_in_bfloat16_it_is_at_most_twice_as_far_off_as_the_reference(device: str) -> None:
    batch = _batch(device)
    heads_TNH, key, value = _inputs((4, 2, 16), batch, torch.bfloat16)
    exact = _written(heads_TNH.float(), key.float(), value.float(), batch)
    wanted = reference.paged_attention(*exact, batch, None)
    theirs = reference.paged_attention(*_written(heads_TNH, key, value, batch), batch, None)
    ours = rotate_write_attend(heads_TNH, rotation(batch.position_T, 16, 1e4), (key, value), batch, None)
    assert (ours - wanted).norm() <= 2 * (theirs - wanted).norm()


def test_what_it_cannot_do_is_refused(device: str) -> None:
    batch = _batch(device)
    heads_TNH, key, value = _inputs((4, 2, 16), batch, torch.float32)
    query_TQH = heads_TNH[:, :4].contiguous()
    bare = Batch(batch.token_T, batch.position_T, batch.query_start_S1, 1)
    with pytest.raises(ValueError, match="without pages"):
        paged_attention(query_TQH, key, value, bare, None)
    several = Batch(batch.token_T, batch.position_T, batch.query_start_S1, 2, None, batch.pages)
    with pytest.raises(ValueError, match="up to 2 new tokens"):
        paged_attention(query_TQH, key, value, several, None)
    with pytest.raises(ValueError, match="must be dense"):
        paged_attention(query_TQH.mT.contiguous().mT, key, value, batch, None)


@pytest.mark.parametrize(
    ("heads", "context", "parts"), [(8, 512, 4), (8, 4096, 16), (64, 512, 2), (512, 512, 1), (2048, 512, 1), (8, 40, 1)]
)
def test_a_context_is_split_as_long_as_that_fills_the_device(heads: int, context: int, parts: int) -> None:
    assert tile_for(heads, context).parts == parts
