"""The objective is the sum that the recipe asks for, and hands on the routings it was made of."""

import torch
from torch.nn import functional
from torch.testing import assert_close

from octavo.model import Transformer
from octavo.training.corpus import shards
from octavo.training.losses import balance_loss, z_loss
from octavo.training.objective import objective
from octavo.training.packing import Packer
from octavo.training.tokens import tokenise


def first_batch(config, corpus, tmp_path):
    text = tokenise(shards(corpus, "train"), config.tokenizer, tmp_path / "tokens")
    packer = Packer(text, {"prose": 0.5, "notes": 0.5}, num_tokens=256, context=64, seed=0)
    return packer.pack(packer.start())[0]


def test_the_loss_is_the_sum_of_its_parts(tiny, corpus, tmp_path):
    config = tiny(balance_weight=0.25, z_weight=0.125)
    packed = first_batch(config, corpus, tmp_path)
    model = Transformer(config.model).init_weights(seed=0)
    found = objective(model, config, fuse=False)(packed)
    output = model(packed.batch)
    kept_T = packed.target_T >= 0
    cross_entropy = functional.cross_entropy(output.logits_RV, packed.target_T, ignore_index=-1)
    balance_L = torch.stack([balance_loss(routing, kept_T) for routing in output.routings])
    z_L = torch.stack([z_loss(routing, kept_T) for routing in output.routings])
    assert_close(found.cross_entropy, cross_entropy.detach())
    assert_close(found.loss, cross_entropy + 0.25 * balance_L.mean() + 0.125 * z_L.mean())
    assert_close(found.balance_L, balance_L.detach())
    assert_close(found.load_LE.sum(dim=1), torch.full((2,), 2.0 * packed.num_tokens))
    assert [r.expert_TK.tolist() for r in found.routings] == [r.expert_TK.tolist() for r in output.routings]
    assert not any(r.logits_TE.requires_grad for r in found.routings)


def test_a_dense_model_has_its_cross_entropy_alone(tiny, corpus, tmp_path):
    config = tiny(dense=True, balance_weight=9.0)
    model = Transformer(config.model).init_weights(seed=0)
    found = objective(model, config, fuse=False)(first_batch(config, corpus, tmp_path))
    assert_close(found.loss.detach(), found.cross_entropy)
    assert found.routings == ()
