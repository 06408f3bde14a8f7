"""The experts of one token give what the reference gives, and so do those of none and of many."""

import pytest
import torch

from octavo.ops.experts import reference, single


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("crowd", [False, True], ids=["spread", "one expert has all"])
@pytest.mark.parametrize("k", [1, 2, 5])
@pytest.mark.parametrize("tokens", [0, 1, 2, 16])
def test_it_is_the_reference(tokens: int, k: int, crowd: bool, dtype: torch.dtype) -> None:
    generator = torch.Generator().manual_seed(tokens)
    x_TD, w13_EID, w2_EDF = (
        (0.5 * torch.randn(shape, generator=generator)).to(dtype) for shape in ((tokens, 10), (5, 14, 10), (5, 10, 7))
    )
    weight_TK = torch.rand(tokens, k, generator=generator)
    logits_TE = torch.arange(5.0).expand(tokens, 5) if crowd else torch.randn(tokens, 5, generator=generator)
    expert_TK = logits_TE.topk(k).indices
    arguments = (x_TD, expert_TK, weight_TK, w13_EID, w2_EDF)
    exact = reference.experts(x_TD.double(), expert_TK, weight_TK, w13_EID.double(), w2_EDF.double())
    ours, theirs = single.experts(*arguments), reference.experts(*arguments)
    assert ours.dtype == dtype
    assert (ours - exact).norm() <= 2 * (theirs - exact).norm() + 1e-6
