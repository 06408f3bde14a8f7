"""The router's logits are float32 whatever the model's type, since a rounding would change who reads the token."""

import torch

from octavo.ops.router.reference import router


def test_logits_and_choice_are_those_of_the_exact_product() -> None:
    generator = torch.Generator().manual_seed(0)
    x_TD = torch.randn(2000, 64, generator=generator).bfloat16()
    gate_ED = (torch.randn(8, 64, generator=generator) * 0.02).bfloat16()
    exact_TE = x_TD.double() @ gate_ED.double().T
    routing = router(x_TD, gate_ED, 2)
    assert routing.logits_TE.dtype == torch.float32
    torch.testing.assert_close(routing.logits_TE, exact_TE.float())
    assert torch.equal(routing.expert_TK, exact_TE.topk(2).indices)
    rounded_TE = x_TD @ gate_ED.T
    assert not torch.equal(rounded_TE.topk(2).indices, exact_TE.topk(2).indices), (
        "the case is too easy to show anything"
    )
