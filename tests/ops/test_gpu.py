"""The GPU's operations, kernel by kernel inside a model: what they write and say is the reference's."""

from dataclasses import replace

import pytest
import torch

pytest.importorskip("triton")

from octavo.batch import Batch, Pages
from octavo.cache import KVCache
from octavo.config import mini
from octavo.model import Output, Transformer
from octavo.ops import GROUPED, REFERENCE, Ops, best, gpu
from octavo.ops.gpu import TRITON

TINY = replace(mini(), vocab_size=33, dim=32, num_layers=1, head_dim=16, hidden_dim=24, num_experts=4)
PAGE = 4
# FlashAttention reads bfloat16 on a GPU only.
OURS = replace(TRITON, packed_attention=REFERENCE.packed_attention)
pytestmark = pytest.mark.usefixtures("poison")


def _batch(lengths: tuple[int, ...], contexts: tuple[int, ...], device: str) -> Batch:
    """The last tokens of sequences that keep their positions in pages of their own, first to last."""
    position_T = torch.cat([torch.arange(c - n, c) for n, c in zip(lengths, contexts, strict=True)])
    page_SP = torch.arange(1, 1 + 4 * len(lengths)).view(-1, 4)
    sequence_T = torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    slot_T = page_SP[sequence_T, position_T // PAGE] * PAGE + position_T % PAGE
    starts = torch.tensor([0, *lengths], dtype=torch.int32).cumsum(0, dtype=torch.int32)
    pages = Pages(slot_T.to(device), page_SP.to(device), torch.tensor(contexts, device=device), max(contexts))
    token_T = (position_T * 7 + sequence_T) % TINY.vocab_size
    return Batch(token_T.to(device), position_T.to(device), starts.to(device), max(lengths), None, pages)


@torch.no_grad()
def _written(ops: Ops, device: str) -> tuple[list[Output], torch.Tensor]:
    """What a model says of two prompts, of the token after each, and of one more of the first; and the cache."""
    model = Transformer(TINY, ops).init_weights(std=0.3).to(device)
    cache = KVCache(TINY, num_pages=9, page_size=PAGE, device=device)
    steps = _batch((3, 2), (3, 2), device), _batch((1, 1), (4, 3), device), _batch((1,), (5,), device)
    said = [model(step, cache) for step in steps]
    return said, torch.stack((cache.key_LPBGH, cache.value_LPBGH))


@pytest.mark.parametrize("few", [256, 1], ids=["kernels", "torch's own for many"])
def test_a_model_says_and_keeps_what_the_reference_does(few: int, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu, "FEW", few)
    monkeypatch.setattr(gpu, "FEW_ROWS", few)
    (said, cache), (wanted, wanted_cache) = _written(OURS, device), _written(REFERENCE, device)
    torch.testing.assert_close(cache, wanted_cache, atol=1e-5, rtol=1e-5)
    for ours, theirs in zip(said, wanted, strict=True):
        torch.testing.assert_close(ours.logits_RV, theirs.logits_RV, atol=1e-5, rtol=1e-5)
        for routing, reference in zip(ours.routings, theirs.routings, strict=True):
            assert torch.equal(routing.expert_TK, reference.expert_TK)
            torch.testing.assert_close(routing.weight_TK, reference.weight_TK)


def test_each_step_alone_may_be_the_reference(device: str) -> None:
    wanted, _ = _written(REFERENCE, device)
    swapped = replace(OURS, experts=REFERENCE.experts, experts_add=None, rotate_write_attend=None)
    said, _ = _written(swapped, device)
    torch.testing.assert_close(said[-1].logits_RV, wanted[-1].logits_RV, atol=1e-5, rtol=1e-5)


def test_attention_over_a_cache_wants_pages(device: str) -> None:
    rows, batch = torch.zeros(1, 4, 16, device=device), replace(_batch((1,), (3,), device), pages=None)
    cache = KVCache(TINY, num_pages=2, page_size=PAGE, device=device)
    for ops in (OURS, REFERENCE):
        with pytest.raises(ValueError, match="without pages"):
            ops.attend(rows, (rows, rows), (cache, 0), batch, None)


def test_a_gpu_takes_them_for_bfloat16() -> None:
    assert best("cuda", torch.bfloat16) is TRITON
    assert TRITON.packed_attention is GROUPED.packed_attention
