"""Crew: the processes that share one collection, as torchrun starts them, and what they say to each other."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar

from torch import distributed

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """This process's number among ``size``, and among those of its machine; alone it is 0 of 1."""

    rank: int = 0
    size: int = 1
    place_on_machine: int = 0

    @property
    def leads(self) -> bool:
        """Whether this is the process that speaks for all."""
        return self.rank == 0

    def takes(self, place: int) -> bool:
        """Whether the piece of work at ``place`` is this process's."""
        return place % self.size == self.rank

    def wait(self) -> None:
        """Waits until every process has come this far."""
        if self.size > 1:
            distributed.barrier()

    def gather(self, value: T) -> list[T]:
        """What every process has to say, in the order of their ranks."""
        if self.size == 1:
            return [value]
        said: list[T | None] = [None] * self.size
        distributed.all_gather_object(said, value)
        return [each for each in said if each is not None]


@contextmanager
def muster() -> Iterator[Crew]:
    """The crew that torchrun's variables describe; without them this process alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        yield Crew()
        return
    # gloo also where the model is on a GPU: what is said is small and lies on the host.
    distributed.init_process_group("gloo")
    try:
        yield Crew(rank=distributed.get_rank(), size=size, place_on_machine=int(os.environ.get("LOCAL_RANK", "0")))
    finally:
        distributed.destroy_process_group()
