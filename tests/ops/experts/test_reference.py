"""The experts against a loop over tokens, with idle and crowded experts, odd sizes and gradients."""

import pytest
import torch
from torch import Tensor

from octavo.ops.experts.reference import experts

SIZES = {"tokens": 13, "dim": 10, "width": 6, "num_experts": 5}


def by_token(x_TD: Tensor, expert_TK: Tensor, weight_TK: Tensor, w13_EID: Tensor, w2_EDF: Tensor) -> Tensor:
    said = []
    for x_D, expert_K, weight_K in zip(x_TD, expert_TK.tolist(), weight_TK, strict=True):
        y_D = torch.zeros_like(x_D)
        for expert, weight in zip(expert_K, weight_K, strict=True):
            w1_FD, w3_FD = w13_EID[expert].chunk(2)
            gate_F = w1_FD @ x_D
            y_D = y_D + weight * (w2_EDF[expert] @ (gate_F * torch.sigmoid(gate_F) * (w3_FD @ x_D)))
        said.append(y_D)
    return torch.stack(said)


def layer(dtype: torch.dtype = torch.float32) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = ((SIZES["tokens"], SIZES["dim"]), (SIZES["num_experts"], 2 * SIZES["width"], SIZES["dim"]))
    x_TD, w13_EID = (torch.randn(shape, generator=generator).to(dtype) for shape in shapes)
    w2_EDF = torch.randn(SIZES["num_experts"], SIZES["dim"], SIZES["width"], generator=generator).to(dtype)
    return x_TD, w13_EID, w2_EDF


def choices(kind: str) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(1)
    tokens, num_experts = SIZES["tokens"], SIZES["num_experts"]
    expert_TK = {
        "spread": torch.stack([torch.randperm(num_experts, generator=generator)[:2] for _ in range(tokens)]),
        "one expert has all": torch.tensor([[3, 1]]).expand(tokens, 2),
        "k is 1": torch.randint(0, num_experts, (tokens, 1), generator=generator),
        "k is all": torch.stack([torch.randperm(num_experts, generator=generator) for _ in range(tokens)]),
        "idle experts": torch.tensor([[0, 4]] * 5 + [[4, 0]] * (tokens - 5)),
    }[kind]
    return expert_TK, torch.rand(expert_TK.shape, generator=generator)


KINDS = ["spread", "one expert has all", "k is 1", "k is all", "idle experts"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("tokens", [1, 2, 13])
def test_every_token_is_read_by_its_experts(kind: str, tokens: int) -> None:
    x_TD, w13_EID, w2_EDF = layer()
    expert_TK, weight_TK = choices(kind)
    arguments = (x_TD[:tokens], expert_TK[:tokens], weight_TK[:tokens], w13_EID, w2_EDF)
    torch.testing.assert_close(experts(*arguments), by_token(*arguments))


@pytest.mark.parametrize("kind", KINDS)
def test_gradients_are_those_of_the_loop(kind: str) -> None:
    expert_TK, weight_TK = choices(kind)
    gradients = []
    for function in (experts, by_token):
        leaves = [tensor.double().requires_grad_() for tensor in (*layer(), weight_TK)]
        x_TD, w13_EID, w2_EDF, weight = leaves
        function(x_TD, expert_TK, weight, w13_EID, w2_EDF).square().sum().backward()
        gradients.append([torch.zeros_like(leaf) if leaf.grad is None else leaf.grad for leaf in leaves])
    for ours, wanted in zip(*gradients, strict=True):
        torch.testing.assert_close(ours, wanted)


def test_no_tokens_give_no_rows() -> None:
    x_TD, w13_EID, w2_EDF = layer()
    none = torch.zeros(0, 2)
    assert experts(x_TD[:0], none.long(), none, w13_EID, w2_EDF).shape == (0, SIZES["dim"])


def test_bfloat16_sums_the_experts_in_float32() -> None:
    x_TD, w13_EID, w2_EDF = layer(torch.bfloat16)
    expert_TK, weight_TK = choices("k is all")
    exact = by_token(x_TD.double(), expert_TK, weight_TK.double(), w13_EID.double(), w2_EDF.double())
    ours = experts(x_TD, expert_TK, weight_TK, w13_EID, w2_EDF)
    plain = by_token(x_TD, expert_TK, weight_TK.bfloat16(), w13_EID, w2_EDF)
    assert ours.dtype == torch.bfloat16
    assert (ours - exact).norm() <= (plain - exact).norm()
