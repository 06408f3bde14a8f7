"""Transfer: the routings of one forward on their way to the host, while the step that made them goes on.

On a GPU they travel on a stream of their own into pinned memory: neither the device nor the host waits for them, until
somebody asks for what arrived. On a CPU they are there already, and are only laid out when they are asked for.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int16
from torch import Tensor

from octavo.routing import Routing

FEW = 64
"""Steps of at most so many tokens are kept whole by those who keep some of their rows."""


@dataclass(frozen=True, slots=True)
class HostRouting:
    """The routings of one forward on the host: experts in rank order, weights and, when wanted, router logits."""

    expert_TLK: Int16[np.ndarray, "T L K"]
    weight_TLK: Float32[np.ndarray, "T L K"]
    logits_TLE: Float32[np.ndarray, "T L E"] | None

    def rows(self, held: slice, *, logits: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Experts, weights and, when wanted, logits of some of the tokens, which may be kept for long."""
        router_TLE = self.logits_TLE[held] if logits and self.logits_TLE is not None else None
        if len(self.expert_TLK) <= FEW:
            return self.expert_TLK[held], self.weight_TLK[held], router_TLE
        # A view would keep the rows of all other sequences of the step as well.
        kept = None if router_TLE is None else router_TLE.copy()
        return self.expert_TLK[held].copy(), self.weight_TLK[held].copy(), kept


class Transfer:
    """Routings of L layers under way; ``stream`` is the GPU's stream that carries them, None on a CPU.

    The routings' memory may be written again once they have arrived.
    """

    def __init__(self, routings: tuple[Routing, ...], *, logits: bool, stream: torch.cuda.Stream | None) -> None:
        self._routings = routings
        self._logits = logits
        self._event: torch.cuda.Event | None = None
        self._host: tuple[Tensor, ...] = ()
        if stream is not None:
            self._set_out(stream)

    def arrived(self) -> HostRouting:
        """Waits for the routings, token by token; asked again it gives the same."""
        if self._event is not None:
            self._event.synchronize()
        expert, weight, *logits = (each.numpy() for each in self._host or self._laid_out())
        if self._host and len(expert) <= FEW:  # what may be kept must not lie in pinned memory
            expert, weight, logits = expert.copy(), weight.copy(), [each.copy() for each in logits]
        return HostRouting(expert, weight, logits[0] if logits else None)

    def _laid_out(self) -> tuple[Tensor, ...]:
        """What is wanted, one tensor of all layers each, in the types that the host has it in."""
        experts = torch.stack([routing.expert_TK for routing in self._routings], dim=1)
        weights = torch.stack([routing.weight_TK for routing in self._routings], dim=1)
        found = (experts.to(torch.int16), weights.float())
        if not self._logits:
            return found
        return (*found, torch.stack([routing.logits_TE for routing in self._routings], dim=1).float())

    def _set_out(self, stream: torch.cuda.Stream) -> None:
        stream.wait_stream(torch.cuda.current_stream(stream.device))
        with torch.cuda.stream(stream):
            there = self._laid_out()
            self._host = tuple(torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in there)
            for near, far in zip(self._host, there, strict=True):
                near.copy_(far, non_blocking=True)
            self._event = torch.cuda.Event()
            self._event.record(stream)
        for routing in self._routings:
            # They were made on the other stream, which must not give their memory away before this one has read it.
            for tensor in (routing.expert_TK, routing.weight_TK, routing.logits_TE):
                tensor.record_stream(stream)
