"""silu(first half) · second half."""

import torch

from octavo.ops.swiglu.reference import swiglu


def test_the_first_half_gates_the_second() -> None:
    gate_TF, up_TF = torch.randn(3, 5, dtype=torch.float64), torch.randn(3, 5, dtype=torch.float64)
    expected = gate_TF / (1 + torch.exp(-gate_TF)) * up_TF
    torch.testing.assert_close(swiglu(torch.cat((gate_TF, up_TF), dim=-1)), expected)
