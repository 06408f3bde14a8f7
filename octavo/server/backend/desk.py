"""The desk: the open submissions of one event loop, to which progress is handed out as it arrives."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Self

from octavo.engine.request import Progress, Request
from octavo.errors import OctavoError

# Ends one output of a request in the engine, or with None the whole of it.
Abort = Callable[[str, int | None], None]


class Desk:
    """Keeps the submissions that are open, by their request's id; ``abort`` reaches the engine."""

    def __init__(self, abort: Abort) -> None:
        self._abort = abort
        self._open: dict[str, Pending] = {}

    def __len__(self) -> int:
        """How many are open."""
        return len(self._open)

    def open(self, request: Request) -> "Pending":
        """A new submission; its id must be nobody else's."""
        assert request.request_id not in self._open, "two requests of one id"
        pending = self._open[request.request_id] = Pending(request, self)
        return pending

    def hand_out(self, said: Iterable[Progress]) -> None:
        """Gives each progress to whom it concerns; what nobody waits for any more is dropped."""
        for progress in said:
            pending = self._open.get(progress.request_id)
            if pending is not None:
                pending.take(progress)

    def fail(self, request_id: str, error: OctavoError) -> None:
        """Ends one submission with an error, which its iterator raises."""
        pending = self._open.pop(request_id, None)
        if pending is not None:
            pending.fail(error)

    def fail_all(self, make: Callable[[], OctavoError]) -> None:
        """Ends all of them; each raises an error of its own."""
        for request_id in list(self._open):
            self.fail(request_id, make())

    def end(self, pending: "Pending") -> None:
        """Forgets a submission, and ends in the engine what has not ended."""
        if self._open.get(pending.request.request_id) is pending:
            del self._open[pending.request.request_id]
            if pending.open_outputs:
                self._abort(pending.request.request_id, None)

    def end_output(self, pending: "Pending", index: int) -> None:
        """Ends one output in the engine."""
        if self._open.get(pending.request.request_id) is pending:
            self._abort(pending.request.request_id, index)


class Pending:
    """One submission, as ``octavo.server.backend.service`` describes it; its desk feeds it."""

    def __init__(self, request: Request, desk: Desk) -> None:
        self.request = request
        self.open_outputs = set(range(request.params.n))
        self._desk = desk
        self._said: list[Progress] = []
        self._error: OctavoError | None = None
        self._news = asyncio.Event()

    def take(self, progress: Progress) -> None:
        """Adds what a step said."""
        if progress.index not in self.open_outputs:
            return
        if progress.finish_reason is not None:
            self.open_outputs.discard(progress.index)
        self._said.append(progress)
        self._news.set()

    def fail(self, error: OctavoError) -> None:
        """Says that nothing more will come, and why."""
        self._error = error
        self.open_outputs.clear()
        self._news.set()

    def __aiter__(self) -> Self:
        """Itself."""
        return self

    async def __anext__(self) -> list[Progress]:
        """All progress since the last call, waiting for some."""
        while not self._said:
            if self._error is not None:
                raise self._error
            if not self.open_outputs:
                self._desk.end(self)
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        said, self._said = self._said, []
        return said

    def abort(self, index: int) -> None:
        """Ends one output within a step."""
        if index in self.open_outputs:
            self.open_outputs.discard(index)
            self._desk.end_output(self, index)
            self._said = [progress for progress in self._said if progress.index != index]
            self._news.set()

    async def aclose(self) -> None:
        """Ends what has not ended within a step."""
        self._desk.end(self)
