"""One forward of training as a function: a packed batch in, the loss and what is reported of it out."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from octavo.batch import Batch
from octavo.model import Transformer
from octavo.ops.rope.reference import rotation
from octavo.routing import Routing
from octavo.training.config import TrainConfig
from octavo.training.losses import balance_loss, linear_cross_entropy, load, z_loss
from octavo.training.packing import Packed


@dataclass(frozen=True, slots=True)
class Objective:
    """The loss, its three parts (the last two a layer; none in a dense model), each expert's load, and the routings."""

    loss: Float[Tensor, ""]
    cross_entropy: Float[Tensor, ""]
    balance_L: Float[Tensor, "L"]
    z_L: Float[Tensor, "L"]
    load_LE: Float[Tensor, "L E"]
    routings: tuple[Routing, ...]


Tensors = tuple[Tensor, ...]


def objective(model: Transformer, config: TrainConfig, *, fuse: bool) -> Callable[[Packed], Objective]:
    """The function from a batch to its objective; ``fuse`` compiles it, for a GPU."""

    def terms(batch: Batch, target_T: Tensor, cos_Th: Tensor, sin_Th: Tensor) -> Tensors:
        x_TD, routings = model.trunk(batch, rope=(cos_Th, sin_Th))
        cross_entropy = linear_cross_entropy(x_TD, model.head_VD, target_T)
        if not routings:
            none = cross_entropy.detach().new_zeros(0)
            return cross_entropy, cross_entropy.detach(), none, none, none
        kept_T = target_T >= 0
        balance_L = torch.stack([balance_loss(routing, kept_T) for routing in routings])
        z_L = torch.stack([z_loss(routing, kept_T) for routing in routings])
        load_LE = torch.stack([load(routing, kept_T) for routing in routings])
        loss = cross_entropy + config.balance_weight * balance_L.mean() + config.z_weight * z_L.mean()
        decided = [x.detach() for r in routings for x in (r.logits_TE, r.expert_TK, r.weight_TK)]
        return loss, cross_entropy.detach(), balance_L.detach(), z_L.detach(), load_LE, *decided

    run = torch.compile(terms, dynamic=False) if fuse else terms

    def evaluate(packed: Packed) -> Objective:
        # Made outside what is compiled: inside it every layer would compute its cosines anew.
        rope = rotation(packed.batch.position_T, config.model.head_dim, config.model.rope_theta)
        loss, cross_entropy, balance_L, z_L, load_LE, *decided = run(packed.batch, packed.target_T, *rope)
        routings = tuple(Routing(*decided[i : i + 3]) for i in range(0, len(decided), 3))
        return Objective(loss, cross_entropy, balance_L, z_L, load_LE, routings)

    return evaluate
