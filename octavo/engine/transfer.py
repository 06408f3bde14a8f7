"""Transfer: the routings of one forward on their way to the host, while the step that made them goes on.

On a GPU they travel on a stream of their own into pinned memory: neither the device nor the host waits for them until
the step is over. On a CPU they are there already, and are laid out when somebody looks: those of many small steps at
once, since laying out costs a call a layer and step, however little there is.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float32, Int16
from torch import Tensor

from octavo.routing import Routing

FEW = 64
"""Steps of at most so many tokens are kept whole by those who keep some of their rows."""
WAITING = 1024
"""Tokens whose routings a CPU keeps as they came before it lays them out unasked."""


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
    """The routings of one forward under way; only its carrier writes it."""

    def __init__(self, routings: tuple[Routing, ...], carrier: "Carrier", *, logits: bool) -> None:
        self.routings = routings
        self.logits = logits
        self.host: HostRouting | None = None
        self.event: torch.cuda.Event | None = None
        self.pinned: tuple[Tensor, ...] = ()
        self._carrier = carrier

    def arrived(self) -> HostRouting:
        """Waits for the routings, token by token; asked again it gives the same."""
        if self.host is None:
            self._carrier.bring(self)
        assert self.host is not None
        return self.host

    def rows(self, held: slice, *, logits: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray | None]:
        """Those of some of the tokens, as HostRouting gives them."""
        return self.arrived().rows(held, logits=logits)


class Carrier:
    """Brings routings from ``device`` to the host, in the order in which they were sent.

    On a GPU their memory may be written again once they have arrived, which ``settle`` waits for.
    """

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device) if device.type == "cuda" else None
        self._waiting: list[Transfer] = []
        self._tokens = 0

    def send(self, routings: tuple[Routing, ...], *, logits: bool) -> Transfer:
        """Sends the routings of L layers, and waits for nothing."""
        transfer = Transfer(routings, self, logits=logits)
        if self._stream is not None:
            _set_out(transfer, self._stream)
            return transfer
        self._waiting.append(transfer)
        self._tokens += len(routings[0].expert_TK)
        if self._tokens > WAITING:
            self._lay_out_waiting()
        return transfer

    def settle(self, transfer: Transfer) -> Transfer:
        """Waits where the routings' memory is about to be written again; a CPU's never is."""
        if self._stream is not None:
            transfer.arrived()
        return transfer

    def bring(self, transfer: Transfer) -> None:
        """Lets a transfer arrive."""
        if transfer.event is None:
            self._lay_out_waiting()
            return
        transfer.event.synchronize()
        found = [each.numpy() for each in transfer.pinned]
        if len(found[0]) <= FEW:  # what may be kept for long must not lie in pinned memory
            found = [each.copy() for each in found]
        transfer.host = HostRouting(found[0], found[1], found[2] if transfer.logits else None)
        transfer.routings, transfer.pinned = (), ()

    def _lay_out_waiting(self) -> None:
        """Lays out what waits, all steps of one size together."""
        alike: dict[tuple[int, bool], list[Transfer]] = {}
        for transfer in self._waiting:
            alike.setdefault((len(transfer.routings[0].expert_TK), transfer.logits), []).append(transfer)
        self._waiting, self._tokens = [], 0
        for (num_tokens, logits), some in alike.items():
            routings = tuple(routing for transfer in some for routing in transfer.routings)
            shape = (num_tokens, len(some), len(routings) // len(some), -1)
            found = [each.view(shape).numpy() for each in _laid_out(routings, logits=logits)]
            for place, transfer in enumerate(some):
                expert, weight, *router = (each[:, place] for each in found)
                transfer.host = HostRouting(expert, weight, router[0] if router else None)
                transfer.routings = ()


def _laid_out(routings: tuple[Routing, ...], *, logits: bool) -> tuple[Tensor, ...]:
    """What is wanted of routings over the same tokens, one tensor each, in the types that the host has it in."""
    experts = torch.stack([routing.expert_TK for routing in routings], dim=1)
    weights = torch.stack([routing.weight_TK for routing in routings], dim=1)
    found = (experts.to(torch.int16), weights.float())
    return (*found, torch.stack([routing.logits_TE for routing in routings], dim=1).float()) if logits else found


def _set_out(transfer: Transfer, stream: torch.cuda.Stream) -> None:
    """Starts the copy to the host on a stream of its own."""
    stream.wait_stream(torch.cuda.current_stream(stream.device))
    with torch.cuda.stream(stream):
        there = _laid_out(transfer.routings, logits=transfer.logits)
        transfer.pinned = tuple(torch.empty(each.shape, dtype=each.dtype, pin_memory=True) for each in there)
        for near, far in zip(transfer.pinned, there, strict=True):
            near.copy_(far, non_blocking=True)
        transfer.event = torch.cuda.Event()
        transfer.event.record(stream)
    for routing in transfer.routings:
        # They were made on the other stream, which must not give their memory away before this one has read it.
        for tensor in (routing.expert_TK, routing.weight_TK, routing.logits_TE):
            tensor.record_stream(stream)
