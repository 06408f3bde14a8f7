"""The optimizer: float32 master weights, stepped by AdamW (arXiv 1711.05101), or the true matrices by Muon.

The model may hold bfloat16 copies of the masters; gradients arrive in the model's type and are summed in float32.
"""

from collections.abc import Iterator

import torch
from jaxtyping import Float
from torch import Tensor

from octavo.config import ModelConfig
from octavo.model import Transformer
from octavo.training.config import TrainConfig
from octavo.training.muon import Muon


def rate_at(step: int, config: TrainConfig) -> float:
    """The share of the peak learning rate at ``step``, from 0: up over the warm-up, flat, down linearly at the end."""
    warmup, decay = config.warmup * config.steps, config.decay * config.steps
    up = min(1.0, (step + 1) / warmup) if warmup else 1.0
    down = min(1.0, (config.steps - step) / decay) if decay else 1.0
    return min(up, config.final_rate + (1 - config.final_rate) * down)


class Optimizer:
    """Holds the masters and what is remembered of their gradients; only ``step`` changes the model."""

    def __init__(self, model: Transformer, config: TrainConfig, *, dtype: torch.dtype = torch.float32) -> None:
        """Takes the masters from a float32 ``model`` and turns the model into ``dtype``."""
        self.config = config
        # In float32 the model's own weights are the masters.
        self.masters = {name: weight.detach() for name, weight in model.named_parameters()}
        model.to(dtype)
        self.weights = dict(model.named_parameters())
        self.grads = {name: torch.zeros_like(master) for name, master in self.masters.items()}
        stacked = [name for name in self.masters if config.optimizer == "muon" and _is_matrix(name)]
        rest = [name for name in self.masters if name not in stacked]
        self.muon = Muon(
            [x for name in stacked for x in _matrices(name, self.masters[name], config.model)],
            momentum=config.momentum,
            weight_decay=config.weight_decay,
        )
        self.muon_grads = [x for name in stacked for x in _matrices(name, self.grads[name], config.model)]
        for name in rest:
            self.masters[name].grad = self.grads[name]
        decayed = [self.masters[name] for name in rest if self.masters[name].ndim > 1]
        kept = [self.masters[name] for name in rest if self.masters[name].ndim == 1]
        self.rest = rest
        self.adamw = torch.optim.AdamW(
            [{"params": decayed, "weight_decay": config.weight_decay}, {"params": kept, "weight_decay": 0.0}],
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.eps,
            fused=self.masters[rest[0]].is_cuda,
            foreach=False if not self.masters[rest[0]].is_cuda else None,
        )

    def collect(self, share: float) -> None:
        """Adds ``share`` of the model's gradients to the float32 sums, and clears them."""
        names = [name for name, weight in self.weights.items() if weight.grad is not None]
        grads = [self.weights[name].grad.float() for name in names]  # type: ignore[union-attr]
        torch._foreach_add_([self.grads[name] for name in names], grads, alpha=share)
        for weight in self.weights.values():
            weight.grad = None

    @torch.no_grad()
    def step(self, rate: float) -> Float[Tensor, ""]:
        """Clips the summed gradients to ``clip_norm``, steps at ``rate`` of the peak; gives the norm before."""
        grads = list(self.grads.values())
        norm: Tensor = torch.stack(torch._foreach_norm(grads)).norm()
        torch._foreach_mul_(grads, (self.config.clip_norm / (norm + 1e-6)).clamp(max=1.0))
        for group in self.adamw.param_groups:
            group["lr"] = self.config.learning_rate * rate
        self.adamw.step()
        if self.muon.matrices:
            self.muon.step(self.muon_grads, self.config.matrix_learning_rate * rate)
        torch._foreach_zero_(grads)
        copies = [(self.weights[name], master) for name, master in self.masters.items()]
        copies = [(weight, master) for weight, master in copies if weight.data_ptr() != master.data_ptr()]
        if copies:
            torch._foreach_copy_([weight.data for weight, _ in copies], [master for _, master in copies])
        return norm

    def tensors(self) -> dict[str, Tensor]:
        """Everything the next step depends on but the masters, by name."""
        found = dict(self._adamw_state())
        return found | {f"muon.{i}": x_NRC for i, x_NRC in enumerate(self.muon.momentum_buffers)}

    def restore(self, masters: dict[str, Tensor], tensors: dict[str, Tensor]) -> None:
        """Takes back what ``tensors`` and the masters were when they were saved."""
        with torch.no_grad():
            for name, master in self.masters.items():
                master.copy_(masters[name])
                self.weights[name].copy_(master)
            for index, buffer in enumerate(self.muon.momentum_buffers):
                buffer.copy_(tensors[f"muon.{index}"])
        for name in self.rest:
            saved = {key: tensors[f"adamw.{key}.{name}"] for key in ("step", "exp_avg", "exp_avg_sq")}
            device = self.masters[name].device
            step_device = device if device.type == "cuda" else torch.device("cpu")
            state = {key: x.to(step_device if key == "step" else device) for key, x in saved.items()}
            self.adamw.state[self.masters[name]] = state

    def _adamw_state(self) -> Iterator[tuple[str, Tensor]]:
        for name in self.rest:
            for key, value in self.adamw.state[self.masters[name]].items():
                yield f"adamw.{key}.{name}", value


def _is_matrix(name: str) -> bool:
    """Whether Muon steps it: the matrices of the layers, but not the router, whose rows are more like an embedding."""
    return name.startswith("layers.") and "norm" not in name and not name.endswith("gate.weight")


def _matrices(name: str, x: Tensor, config: ModelConfig) -> list[Tensor]:
    """The true matrices that a fused weight consists of, as [N, R, C] views: q, k and v; w1 and w3 of every expert."""
    if name.endswith("wqkv.weight"):
        rows = [config.num_heads * config.head_dim, *2 * [config.num_kv_heads * config.head_dim]]
        return [part[None] for part in x.split(rows)]
    if "w13" in name:
        halves = x.unflatten(-2, (2, -1))
        return [halves if halves.ndim == 3 else halves.flatten(0, 1)]
    return [x if x.ndim == 3 else x[None]]
