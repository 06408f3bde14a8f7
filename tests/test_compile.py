"""The model under torch.compile gives the same answers. Needs no compiler: graphs are captured, nothing is fused."""

from dataclasses import replace

import pytest
import torch

from octavo.batch import Batch
from octavo.config import ModelConfig, mini
from octavo.model import Transformer

pytestmark = [
    pytest.mark.compile,
    # Dynamo asks every tensor that crosses from one graph to the next for its gradient.
    pytest.mark.filterwarnings("ignore:The .grad attribute of a Tensor that is not a leaf:UserWarning"),
]

SPARSE = replace(mini(), vocab_size=61, dim=32, num_layers=2, num_heads=4, num_kv_heads=2, head_dim=8, hidden_dim=24)
DENSE = replace(SPARSE, num_experts=0, num_experts_per_tok=0)


@pytest.fixture(autouse=True)
def nothing_compiled_before() -> None:
    torch.compiler.reset()


def two_sequences() -> Batch:
    position_T = torch.cat([torch.arange(7), torch.arange(5)])
    return Batch(torch.randint(61, (12,)), position_T, torch.tensor([0, 7, 12]), 7)


@pytest.mark.parametrize("config", [SPARSE, DENSE], ids=["sparse", "dense"])
def test_a_compiled_model_gives_the_same_logits_routings_and_gradients(config: ModelConfig) -> None:
    model = Transformer(config)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    batch = two_sequences()
    # Not one graph: the reference operations walk over sequences and experts one by one.
    compiled = torch.compile(model, backend="aot_eager")
    outputs = [run(batch) for run in (model, compiled)]
    torch.testing.assert_close(outputs[1].logits_RV, outputs[0].logits_RV)
    for plain, fused in zip(outputs[0].routings, outputs[1].routings, strict=True):
        assert torch.equal(plain.expert_TK, fused.expert_TK)
    parameters = list(model.parameters())
    gradients = [torch.autograd.grad(output.logits_RV.logsumexp(-1).sum(), parameters) for output in outputs]
    torch.testing.assert_close(gradients[1], gradients[0])
