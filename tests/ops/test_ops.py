"""Ops is a value: a step is swapped by making another one, and the model calls what it was given."""

import importlib.util
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from octavo.batch import Batch
from octavo.config import mini
from octavo.model import Transformer
from octavo.ops import CPU, GROUPED, INVARIANT, REFERENCE, best
from octavo.ops.linear import onednn

TINY = replace(mini(), vocab_size=97, dim=32, num_layers=2, head_dim=8, hidden_dim=16, context_length=64)


def batch(tokens: int) -> Batch:
    token_T = torch.arange(tokens) * 7 % TINY.vocab_size
    return Batch(token_T, torch.arange(tokens), torch.tensor([0, tokens], dtype=torch.int32), tokens)


@torch.no_grad()
def test_a_swapped_step_is_the_one_that_the_model_calls() -> None:
    calls = []

    def counted(x_TI: Tensor, weight_OI: Tensor) -> Tensor:
        calls.append(tuple(weight_OI.shape))
        return REFERENCE.linear(x_TI, weight_OI)

    model = Transformer(TINY, replace(REFERENCE, linear=counted)).init_weights()
    plain = Transformer(TINY).init_weights()
    assert torch.equal(model(batch(5)).logits_RV, plain(batch(5)).logits_RV)
    assert len(calls) == 2 * TINY.num_layers + 1


@torch.no_grad()
@pytest.mark.parametrize("tokens", [1, 2, 9, 70])
@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize("ops", [CPU, INVARIANT, GROUPED], ids=["CPU", "INVARIANT", "GROUPED"])
def test_every_set_of_ops_gives_the_reference_logits(ops: object, tied: bool, tokens: int) -> None:
    if ops is GROUPED:
        # FlashAttention reads bfloat16 on a GPU only; its own test compares it there.
        ops = replace(GROUPED, packed_attention=REFERENCE.packed_attention)
    config = replace(TINY, tie_embeddings=tied, vocab_size=40000)
    plain = Transformer(config).init_weights(std=0.1)
    other = Transformer(config, ops).init_weights(std=0.1).lay_out()
    ours, wanted = other(batch(tokens)), plain(batch(tokens))
    torch.testing.assert_close(ours.logits_RV, wanted.logits_RV, atol=1e-5, rtol=1e-5)
    for routing, reference in zip(ours.routings, wanted.routings, strict=True):
        assert torch.equal(routing.expert_TK, reference.expert_TK)


def test_a_laid_out_model_can_only_be_run() -> None:
    model = Transformer(TINY, CPU).init_weights()
    before = {name for name, _ in model.named_parameters()}
    model.lay_out()
    assert "layers.0.attention.wqkv.weight" in before - {name for name, _ in model.named_parameters()}


def test_the_best_ops_depend_on_device_and_dtype() -> None:
    assert best("cuda", torch.float32) is REFERENCE
    assert best("cpu", torch.float16) is REFERENCE
    assert best("cpu", torch.float32) is (CPU if onednn.is_available(torch.float32) else REFERENCE)


def test_a_gpu_without_triton_is_told_that_it_is_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.warns(UserWarning, match="Triton is not installed"):
        assert best("cuda", torch.bfloat16) is GROUPED


@pytest.mark.parametrize("ops", [REFERENCE, CPU, INVARIANT, GROUPED], ids=["REFERENCE", "CPU", "INVARIANT", "GROUPED"])
def test_no_step_is_left_out(ops: object) -> None:
    steps = {field.name: getattr(ops, field.name) for field in fields(ops)}  # type: ignore[arg-type]
    # None is for steps that only some sets take together.
    together = {"norm_linear", "linear_add", "norm_router", "experts_add", "rotate_write_attend"}
    assert all(callable(step) or (step is None and name in together) for name, step in steps.items())
