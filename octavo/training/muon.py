"""Muon: a step along the momentum's nearest matrix whose singular values are all near 1.

    B ← μ B + G,   O = NewtonSchulz(G + μ B),   W ← W - η (0.2 sqrt(max(rows, columns)) O + λ W)

K. Jordan and others, 2024 (the iteration); arXiv 2502.16982 (the scale, which makes a step as large as AdamW's at the
same rate).
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

# The quintic a x + b x³ + c x⁵ whose slope at 0 is steep; after five of them a singular value lies between 0.7 and 1.2.
_A, _B, _C = 3.4445, -4.7750, 2.0315
_ITERATIONS = 5


def orthogonalise(x_NRC: Float[Tensor, "N R C"]) -> Float[Tensor, "N R C"]:
    """Brings the singular values of N matrices near 1 by Newton-Schulz iterations, in bfloat16 on a GPU."""
    dtype = torch.bfloat16 if x_NRC.is_cuda else torch.float32
    wide = x_NRC.shape[1] <= x_NRC.shape[2]
    y_NRC: Tensor = (x_NRC if wide else x_NRC.mT).to(dtype)
    y_NRC = y_NRC / (y_NRC.float().norm(dim=(1, 2), keepdim=True) + 1e-7).to(dtype)
    for _ in range(_ITERATIONS):
        gram_NRR = y_NRC @ y_NRC.mT
        y_NRC = _A * y_NRC + (_B * gram_NRR + _C * (gram_NRR @ gram_NRR)) @ y_NRC
    return (y_NRC if wide else y_NRC.mT).to(x_NRC.dtype)


class Muon:
    """Steps groups of matrices of one shape; each parameter comes with the matrices it consists of, [N, R, C] views."""

    def __init__(self, matrices: Sequence[Tensor], *, momentum: float, weight_decay: float) -> None:
        self.matrices = list(matrices)
        self.momentum_buffers = [torch.zeros_like(x_NRC) for x_NRC in self.matrices]
        self.momentum, self.weight_decay = momentum, weight_decay
        self.groups: dict[tuple[int, ...], list[int]] = {}
        for index, x_NRC in enumerate(self.matrices):
            self.groups.setdefault(tuple(x_NRC.shape[1:]), []).append(index)

    @torch.no_grad()
    def step(self, grads: Sequence[Tensor], rate: float) -> None:
        """Steps every matrix against its gradient, ``grads`` in the order and shape of the matrices."""
        torch._foreach_mul_(self.momentum_buffers, self.momentum)
        torch._foreach_add_(self.momentum_buffers, list(grads))
        ahead = torch._foreach_add(list(grads), self.momentum_buffers, alpha=self.momentum)
        torch._foreach_mul_(self.matrices, 1 - rate * self.weight_decay)
        for (rows, columns), members in self.groups.items():
            step_NRC = orthogonalise(torch.cat([ahead[i] for i in members]))
            sizes = [self.matrices[i].shape[0] for i in members]
            scale = -0.2 * max(rows, columns) ** 0.5 * rate
            torch._foreach_add_([self.matrices[i] for i in members], list(step_NRC.split(sizes)), alpha=scale)
