"""The optimizer steps as the formulas say, in float32 whatever the model's type, and can be saved and restored."""

import pytest
import torch
from torch.testing import assert_close

from octavo.model import Transformer
from octavo.training.optimizer import Optimizer, rate_at


def model_of(config, seed=0):
    return Transformer(config.model).init_weights(seed=seed)


def give_gradients(optimizer, seed):
    generator = torch.Generator().manual_seed(seed)
    for weight in optimizer.weights.values():
        weight.grad = torch.randn(weight.shape, generator=generator).to(weight.dtype)
    optimizer.collect(1.0)


def test_the_rate_rises_stays_and_falls_to_nothing(tiny):
    config = tiny(tokens=100 * 256, warmup=0.1, decay=0.5)
    rates = [rate_at(step, config) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9:50] == pytest.approx([1.0] * 41)
    assert rates[75] == pytest.approx(0.5)
    assert rates[99] == pytest.approx(0.02)
    assert rate_at(99, tiny(tokens=100 * 256, warmup=0.0, decay=0.0)) == 1.0
    assert rate_at(100, tiny(tokens=100 * 256, final_rate=0.1)) == pytest.approx(0.1)


@pytest.mark.parametrize("dense", [False, True])
def test_adamw_steps_every_weight_as_torch_does(tiny, dense):
    config = tiny(dense=dense, clip_norm=1e9, learning_rate=0.01)
    optimizer = Optimizer(model_of(config), config)
    twin = model_of(config)
    decayed = [p for p in twin.parameters() if p.ndim > 1]
    kept = [p for p in twin.parameters() if p.ndim == 1]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": kept, "weight_decay": 0.0}]
    theirs = torch.optim.AdamW(groups, lr=0.005, betas=(0.9, 0.95), eps=1e-8)
    for seed in range(3):
        give_gradients(optimizer, seed)
        generator = torch.Generator().manual_seed(seed)
        for parameter in twin.parameters():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step(0.5)
        theirs.step()
    for (name, x), y in zip(optimizer.weights.items(), twin.parameters(), strict=True):
        assert_close(x.detach(), y.detach(), msg=name)


def test_gradients_are_clipped_together_and_the_norm_is_told(tiny):
    config = tiny(clip_norm=0.5)
    optimizer = Optimizer(model_of(config), config)
    give_gradients(optimizer, 0)
    norm = torch.cat([grad.flatten() for grad in optimizer.grads.values()]).norm()
    assert_close(optimizer.step(0.0), norm)
    give_gradients(optimizer, 0)
    seen = []
    optimizer.adamw.step = lambda: seen.extend(g.clone() for g in optimizer.grads.values())
    optimizer.step(1.0)
    assert_close(torch.cat([x.flatten() for x in seen]).norm(), torch.tensor(0.5))


def test_gradients_are_summed_over_the_forwards_of_a_step(tiny):
    config = tiny()
    optimizer = Optimizer(model_of(config), config)
    for seed in (1, 2):
        generator = torch.Generator().manual_seed(seed)
        for weight in optimizer.weights.values():
            weight.grad = torch.randn(weight.shape, generator=generator)
        optimizer.collect(0.5)
    generators = [torch.Generator().manual_seed(seed) for seed in (1, 2)]
    for name, weight in optimizer.weights.items():
        assert weight.grad is None
        assert_close(optimizer.grads[name], sum(torch.randn(weight.shape, generator=g) for g in generators) / 2)


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_a_bfloat16_model_keeps_masters_that_remember_small_steps(tiny, name):
    config = tiny(optimizer=name, learning_rate=1e-5, matrix_learning_rate=1e-5, weight_decay=0.0)
    model = model_of(config)
    start = {key: value.detach().clone() for key, value in model.named_parameters()}
    optimizer = Optimizer(model, config, dtype=torch.bfloat16)
    for seed in range(3):
        give_gradients(optimizer, seed)
        optimizer.step(1.0)
    for key, weight in model.named_parameters():
        assert weight.dtype == torch.bfloat16
        assert not torch.equal(optimizer.masters[key], start[key]), key
        assert torch.equal(weight, optimizer.masters[key].bfloat16()), key


@pytest.mark.parametrize("dense", [False, True])
def test_muon_takes_the_true_matrices_of_the_layers_and_nothing_else(tiny, dense):
    config = tiny(dense=dense, optimizer="muon")
    optimizer = Optimizer(model_of(config), config)
    shapes = sorted(tuple(x.shape) for x in optimizer.muon.matrices)
    feed_forward = [(2, 32, 16), (1, 16, 32)] if dense else [(8, 16, 16), (4, 16, 16)]
    a_layer = [(1, 16, 16), (1, 8, 16), (1, 8, 16), (1, 16, 16), *feed_forward]
    assert shapes == sorted(a_layer * 2)
    assert not any("wqkv" in name or "w13" in name or "w2" in name or ".wo" in name for name in optimizer.rest)
    assert any("gate" in name for name in optimizer.rest) is not dense


@pytest.mark.parametrize("name", ["adamw", "muon"])
def test_what_is_saved_is_all_that_the_next_steps_depend_on(tiny, name):
    config = tiny(optimizer=name)
    first = Optimizer(model_of(config), config)
    for seed in range(2):
        give_gradients(first, seed)
        first.step(1.0)
    masters = {key: value.clone() for key, value in first.masters.items()}
    tensors = {key: value.clone() for key, value in first.tensors().items()}
    second = Optimizer(model_of(config, seed=9), config)
    second.restore(masters, tensors)
    for seed in range(2, 4):
        for optimizer in (first, second):
            give_gradients(optimizer, seed)
            optimizer.step(0.7)
    for key in first.masters:
        assert torch.equal(first.masters[key], second.masters[key]), key
