"""On a CPU any number of tokens is read with the numbers of the reference, however the weights were laid out."""

import pytest
import torch

from octavo.ops.experts import cpu, reference
from octavo.ops.experts.reference import experts
from octavo.routing import route

D, F = 72, 64


def weights(num_experts: int, *, exact: bool = False) -> tuple[torch.Tensor, torch.Tensor]:
    """Random weights of w13 and w2; ``exact`` ones are of bfloat16 and so fit into float16."""
    both = torch.randn(num_experts, 2 * F, D) / 8, torch.randn(num_experts, D, F) / 8
    return (both[0].bfloat16().float(), both[1].bfloat16().float()) if exact else both


@pytest.mark.parametrize("exact", [True, False], ids=["float16 holds it", "it does not"])
@pytest.mark.parametrize(
    ("tokens", "num_experts", "k"), [(0, 8, 2), (1, 8, 2), (3, 8, 2), (4, 8, 2), (24, 8, 1), (16, 4, 4), (40, 8, 2)]
)
def test_tokens_are_read_as_the_reference_reads_them(tokens: int, num_experts: int, k: int, exact: bool) -> None:
    w13_EID, w2_EDF = weights(num_experts, exact=exact)
    x_TD = torch.randn(tokens, D)
    routing = route(torch.randn(tokens, num_experts), k)
    chosen = routing.expert_TK, routing.weight_TK
    found = cpu.experts(x_TD, *chosen, *cpu.lay_out(w13_EID, w2_EDF))
    torch.testing.assert_close(found, experts(x_TD, *chosen, w13_EID, w2_EDF))
    torch.testing.assert_close(cpu.experts(x_TD, *chosen, w13_EID, w2_EDF), found)


def test_a_few_tokens_are_read_side_by_side_and_others_are_not(monkeypatch: pytest.MonkeyPatch) -> None:
    laid_out = cpu.lay_out(*weights(8))
    calls = []
    monkeypatch.setattr(reference, "experts", lambda x, *_, **__: calls.append(len(x)) or x)
    for tokens in (3, 4, 24, 25):
        routing = route(torch.randn(tokens, 8), 2)
        cpu.experts(torch.randn(tokens, D), routing.expert_TK, routing.weight_TK, *laid_out)
    assert calls == [3, 25]


def test_one_expert_that_takes_every_token_is_the_only_one_that_speaks() -> None:
    w13_EID, w2_EDF = weights(4)
    x_TD, expert_T1 = torch.randn(8, D), torch.full((8, 1), 2)
    found = cpu.experts(x_TD, expert_T1, torch.ones(8, 1), *cpu.lay_out(w13_EID, w2_EDF))
    torch.testing.assert_close(found, experts(x_TD, expert_T1, torch.ones(8, 1), w13_EID, w2_EDF))


def test_large_weights_and_low_precision_are_not_kept_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    w13_EID, w2_EDF = weights(4)
    assert all(side.wide is not None for side in cpu.lay_out(w13_EID, w2_EDF))
    assert all(side.wide is None for side in cpu.lay_out(w13_EID.bfloat16(), w2_EDF.bfloat16()))
    monkeypatch.setattr(cpu, "MAX_ELEMENTS", 100)
    assert all(side.wide is None for side in cpu.lay_out(w13_EID, w2_EDF))
