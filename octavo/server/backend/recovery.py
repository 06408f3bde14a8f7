"""Recovery: when a step raises, finds the one request with which it raises, ends it, and lets all the others go on.

    every sequence waits again -> one is let in a step, its tokens read anew -> it raises: the newest is to blame
                                                                            -> it does not: the next one, until all run

A step without enough memory blames nobody: fewer sequences run at once, until there are none.
"""

import logging

import torch

from octavo.engine.request import Sequence
from octavo.engine.scheduler import Scheduler

LOG = logging.getLogger("octavo.engine")
# So many blamed in a row, no step between them having gone well: then it is no request's fault.
MOST_IN_A_ROW = 4
NO_MEMORY = ("out of memory", "can't allocate memory", "not enough memory")


class Recovery:
    """Watches one scheduler's steps; it alone lowers ``most_running``."""

    def __init__(self, scheduler: Scheduler) -> None:
        self._scheduler = scheduler
        self._most = scheduler.most_running
        self._innocent: list[Sequence] = []
        self._in_a_row = 0
        self._short_of_memory = False

    @property
    def recovering(self) -> bool:
        """Whether fewer sequences run than might."""
        return self._scheduler.most_running < self._most

    def went_well(self) -> None:
        """After a step that did not raise: lets one more in."""
        self._in_a_row = 0
        if not self.recovering:
            return
        scheduler = self._scheduler
        self._innocent = scheduler.running.copy()
        if not (scheduler.waiting or scheduler.running):
            self._all_run()
        elif self._innocent and not self._short_of_memory and self._has_read(self._innocent[-1]):
            scheduler.most_running = len(self._innocent) + 1
            if not scheduler.waiting:
                self._all_run()

    def failed(self, error: Exception) -> Sequence | None:
        """After a step that raised: who is to be ended for it, if anybody.

        Raises the error again where it seems to be no request's fault: then the engine cannot go on.
        """
        if isinstance(error, torch.AcceleratorError) and not isinstance(error, torch.OutOfMemoryError):
            raise error
        scheduler = self._scheduler
        # What ran when it raised waits already, or does so now, oldest first.
        scheduler.start_anew()
        most, alone = scheduler.most_running, scheduler.most_running == 1 or len(scheduler.waiting) == 1
        if _is_out_of_memory(error) and not alone:
            self._short_of_memory = True
            ran = max(2, min(most, len(self._innocent) or most, len(scheduler.waiting)))
            scheduler.most_running = max(1, ran // 2)
            self._innocent = []
            LOG.warning("a step ran out of memory: at most %d sequences run now", scheduler.most_running)
            return None
        suspects = [one for one in list(scheduler.waiting)[:most] if one not in self._innocent]
        blamed = scheduler.waiting[0] if alone else None
        if blamed is None and self.recovering and len(suspects) == 1:
            blamed = suspects[0]
        LOG.error("a step failed: %s: %s", type(error).__name__, error, exc_info=not self.recovering)
        self._innocent = []
        scheduler.most_running = 1
        if blamed is not None:
            self._in_a_row += 1
            if self._in_a_row >= MOST_IN_A_ROW:
                raise error
        return blamed

    def _all_run(self) -> None:
        self._scheduler.most_running = self._most
        self._innocent = []
        self._short_of_memory = False

    @staticmethod
    def _has_read(sequence: Sequence) -> bool:
        """Whether a sequence has come to choosing tokens, which is where it had been before."""
        return sequence.num_computed >= len(sequence.token_ids) - 1


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(phrase in str(error) for phrase in NO_MEMORY)
