"""The transformer on small random weights: what it returns, and what must not change its answer."""

from dataclasses import replace

import pytest
import torch

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.config import ModelConfig, mini
from octavo.model import Transformer

TINY = replace(mini(), vocab_size=97, dim=32, num_layers=2, head_dim=8, hidden_dim=16, context_length=64)


def tiny(config: ModelConfig = TINY) -> Transformer:
    return Transformer(config).init_weights(std=0.1)


def packed(*lengths: int, seed: int = 0) -> Batch:
    token_T = torch.randint(0, TINY.vocab_size, (sum(lengths),), generator=torch.Generator().manual_seed(seed))
    position_T = torch.cat([torch.arange(length) for length in lengths])
    starts = torch.tensor([0, *lengths]).cumsum(0).int()
    return Batch(token_T, position_T, starts, max(lengths))


@torch.no_grad()
def test_the_output_carries_one_routing_a_layer() -> None:
    output = tiny()(packed(5, 3))
    assert output.logits_RV.shape == (8, TINY.vocab_size)
    assert [tuple(r.expert_TK.shape) for r in output.routings] == [(8, 2)] * TINY.num_layers
    assert all(r.logits_TE.shape == (8, TINY.num_experts) for r in output.routings)


@torch.no_grad()
def test_a_dense_model_has_no_routing() -> None:
    dense = replace(TINY, num_experts=0, num_experts_per_tok=0)
    assert tiny(dense)(packed(4)).routings == ()


@torch.no_grad()
def test_only_the_wanted_rows_get_logits() -> None:
    model, batch = tiny(), packed(5, 3)
    wanted = replace(batch, logit_row_R=torch.tensor([4, 7]))
    torch.testing.assert_close(model(wanted).logits_RV, model(batch).logits_RV[[4, 7]])


@torch.no_grad()
def test_a_sequence_packed_beside_others_reads_as_if_alone() -> None:
    model, batch = tiny(), packed(5, 9, 2)
    together = model(batch).logits_RV
    alone = Batch(batch.token_T[5:14], torch.arange(9), torch.tensor([0, 9], dtype=torch.int32), 9)
    torch.testing.assert_close(together[5:14], model(alone).logits_RV)


@torch.no_grad()
def test_empty_sequences_at_the_end_change_nothing() -> None:
    model, batch = tiny(), packed(5, 3)
    padded = replace(batch, query_start_S1=torch.tensor([0, 5, 8, 8, 8], dtype=torch.int32))
    assert torch.equal(model(padded).logits_RV, model(batch).logits_RV)


@torch.no_grad()
def test_a_token_does_not_see_what_follows() -> None:
    model, batch = tiny(), packed(9)
    changed_T = batch.token_T.clone()
    changed_T[6:] = (changed_T[6:] + 1) % TINY.vocab_size
    before, after = model(batch).logits_RV, model(replace(batch, token_T=changed_T)).logits_RV
    torch.testing.assert_close(before[:6], after[:6])
    assert ((before[6:] - after[6:]).abs().amax(dim=-1) > 1e-3).all()


def test_a_batch_with_pages_and_no_cache_is_refused() -> None:
    with pytest.raises(ValueError, match="needs a batch with pages"):
        tiny()(packed(3), KVCache(TINY, num_pages=1, page_size=4))


def test_an_idle_expert_gets_no_gradient() -> None:
    model = tiny()
    output = model(packed(1))
    output.logits_RV.sum().backward()
    block = model.layers[0].feed_forward
    idle = [e for e in range(TINY.num_experts) if e not in output.routings[0].expert_TK[0].tolist()]
    assert not block.w13.grad[idle].any()
    assert not block.w2.grad[idle].any()
    assert block.w13.grad.any()


def test_tied_embeddings_are_one_parameter() -> None:
    tied, untied = tiny(), tiny(replace(TINY, tie_embeddings=False))
    assert tied.head_VD is tied.tok_embeddings.weight
    assert "output.weight" not in tied.state_dict()
    assert untied.head_VD is not untied.tok_embeddings.weight


def test_weights_depend_on_the_seed_alone() -> None:
    one, same, other = (Transformer(TINY).init_weights(seed=seed).state_dict() for seed in (1, 1, 2))
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not torch.equal(one["tok_embeddings.weight"], other["tok_embeddings.weight"])
