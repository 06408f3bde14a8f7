"""The invariant ops give a token the same bits whatever stands beside it, and the same numbers as the reference."""

from collections.abc import Callable
from dataclasses import fields

import pytest
import torch
from torch import Tensor

from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.model import Transformer
from octavo.ops import INVARIANT, REFERENCE
from tests.engine.serving import VARIANTS, drive, prompts_of, request, tiny

DTYPES = [torch.float32, torch.bfloat16]
TOKENS = 37


def row_ops(dtype: torch.dtype) -> dict[str, tuple[tuple[Tensor, ...], Callable[..., Tensor]]]:
    """Per op what belongs to a token, and a call of it; odd widths, so that vectors have a rest."""
    x_TD = torch.randn(TOKENS, 51).to(dtype)
    weight_OD, gate_ED = torch.randn(67, 51).to(dtype), torch.randn(8, 51).to(dtype)
    heads_TNH, cos_TH, sin_TH = torch.randn(TOKENS, 3, 14).to(dtype), torch.randn(TOKENS, 14), torch.randn(TOKENS, 14)
    w13_EID, w2_EDF = (torch.randn(8, 58, 51) / 8).to(dtype), (torch.randn(8, 51, 29) / 8).to(dtype)
    routing = REFERENCE.router(x_TD, gate_ED, 2)
    return {
        "linear": ((x_TD,), lambda ops, x: ops.linear(x, weight_OD)),
        "norm": ((x_TD,), lambda ops, x: ops.norm(x, weight_OD[0], 1e-5)),
        "rotate": ((heads_TNH, cos_TH, sin_TH), lambda ops, *x: ops.rotate(*x)),
        "swiglu": ((torch.randn(TOKENS, 58).to(dtype),), lambda ops, x: ops.swiglu(x)),
        "router": ((x_TD,), lambda ops, x: ops.router(x, gate_ED, 2).weight_TK),
        "experts": ((x_TD, routing.expert_TK, routing.weight_TK), lambda ops, *x: ops.experts(*x, w13_EID, w2_EDF)),
    }


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("name", row_ops(torch.float32))
def test_a_token_gets_the_same_bits_in_any_company(name: str, dtype: torch.dtype) -> None:
    values, call = row_ops(dtype)[name]
    together = call(INVARIANT, *values)
    for some in (slice(0, 1), slice(5, 6), slice(3, 20), slice(TOKENS - 1, TOKENS)):
        assert torch.equal(call(INVARIANT, *(value[some] for value in values)), together[some])


@pytest.mark.parametrize("name", row_ops(torch.float32))
def test_the_numbers_are_the_references(name: str) -> None:
    values, call = row_ops(torch.float32)[name]
    torch.testing.assert_close(call(INVARIANT, *values), call(REFERENCE, *values))


def test_no_op_is_left_to_the_reference() -> None:
    names = [field.name for field in fields(INVARIANT)]
    same = [name for name in names if getattr(INVARIANT, name) is getattr(REFERENCE, name) is not None]
    assert same == ["lay_out", "lay_out_experts"]


def test_no_rows_are_no_rows() -> None:
    assert INVARIANT.linear(torch.randn(0, 5), torch.randn(7, 5)).shape == (0, 7)


def all_logprobs(model: Transformer, prompts: list[tuple[int, ...]], **limits: int) -> tuple[list[object], int]:
    engine = Engine(model, EngineConfig(**{"page_size": 4, "num_pages": 1000, "max_logprobs": -1, **limits}))
    params = {"seed": 5, "max_tokens": 8, "logprobs": -1, "prompt_logprobs": -1}
    served = drive(engine, [request(prompt, str(place), **params) for place, prompt in enumerate(prompts)])
    return [(one.token_ids, one.logprobs, one.prompt_logprobs) for one in served], engine.scheduler.num_preempted


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("variant", [*VARIANTS, "odd"])
def test_every_logprob_is_equal_to_the_bit_alone_batched_chunked_and_preempted(
    variant: str, dtype: torch.dtype
) -> None:
    changes = VARIANTS.get(variant, {"dim": 50, "head_dim": 14, "vocab_size": 101})
    model = tiny(ops=INVARIANT, **changes).to(dtype)
    prompts = prompts_of(5, longest=50)
    alone = [all_logprobs(model, [prompt])[0][0] for prompt in prompts]
    assert all_logprobs(model, prompts)[0] == alone
    assert all_logprobs(model, prompts, max_num_batched_tokens=7)[0] == alone
    preempted, times = all_logprobs(model, prompts, num_pages=20)
    assert preempted == alone
    assert times > 0 or model.config.sliding_window


def test_the_reference_is_not_invariant_or_this_would_be_for_nothing() -> None:
    config = ModelConfig(
        vocab_size=97, dim=256, num_layers=1, num_heads=4, num_kv_heads=2, head_dim=64, hidden_dim=256, num_experts=8,
        num_experts_per_tok=2, context_length=256,
    )  # fmt: skip
    model = Transformer(config, REFERENCE).init_weights(std=0.05).eval()
    prompts = prompts_of(5, longest=50)
    alone = [all_logprobs(model, [prompt])[0][0] for prompt in prompts]
    assert all_logprobs(model, prompts, max_num_batched_tokens=7)[0] != alone
