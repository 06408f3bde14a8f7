"""The router: logits = x · W_g in float32, then the choice (arXiv 2401.04088, section 2.1)."""

from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from octavo.routing import Routing, route


def router(x_TD: Float[Tensor, "T D"], gate_ED: Float[Tensor, "E D"], k: int) -> Routing:
    """Routes T tokens to ``k`` of E experts each.

    The logits are computed in float32 whatever the model's type: a rounding here changes which expert reads the token.
    """
    return route(functional.linear(x_TD.float(), gate_ED.float()), k)
