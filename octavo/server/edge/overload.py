"""Overload: as many sequences as the engine can run, a queue of bounded length, and at once a 429 for all beyond it.

Whoever asks for more than can be served gets what can be served: the engine never sees the rest, and a refusal costs
less than a millisecond. Nobody is starved: while places are scarce, a client gets new ones only below its share

    most · 7/8 / (clients that hold any)

so that one client, however many connections it opens, leaves an eighth to a newcomer.
"""

import time
from collections import Counter
from collections.abc import Callable, Container, Hashable

from starlette.types import ASGIApp, Receive, Scope, Send

from octavo.server.edge.bodies import answer
from octavo.server.edge.refusal import Refusal

LONGEST_RETRY = 60


class Places:
    """The places of one server, ``most`` in all, taken and given back by its requests; it alone changes them."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.taken = 0
        self._held: Counter[Hashable] = Counter()
        self._mean_seconds = 1.0  # that a request keeps its places, over about the last twenty

    def has_room(self, client: Hashable, count: int = 1) -> bool:
        """Whether ``client`` may take so many more; one request alone may take more than there are."""
        count = min(count, self.most)
        if self.taken == 0:
            return True
        if self.taken + count > self.most:
            return False
        if self.taken + count <= self.most // 2:
            return True
        held = self._held[client]
        clients = len(self._held) + (client not in self._held)
        # The first that a client asks for is never above its share.
        return held == 0 or held + count <= (self.most - self.most // 8) // clients

    def take(self, client: Hashable, count: int = 1) -> bool:
        """Takes so many places where there is room, and says whether there was."""
        if not self.has_room(client, count):
            return False
        self.taken += min(count, self.most)
        self._held[client] += min(count, self.most)
        return True

    def give_back(self, client: Hashable, count: int, seconds: float) -> None:
        """Gives back what ``take`` took, after so many seconds."""
        self.taken -= min(count, self.most)
        self._held[client] -= min(count, self.most)
        if not self._held[client]:
            del self._held[client]
        self._mean_seconds += (seconds - self._mean_seconds) / 20

    @property
    def refusal(self) -> Refusal:
        """What one is told who finds no place; by half of what a request takes, many will have been given back."""
        wait = max(1, min(LONGEST_RETRY, round(self._mean_seconds / 2)))
        message = f"the queue is full, or your share of it: try again in {wait} s (max_queue)"
        return Refusal(status=429, code="max_queue", message=message, retry_after=wait)


def address_of(scope: Scope) -> Hashable:
    """A client by its address: who has no better name for it, such as its key."""
    return scope["client"][0] if scope.get("client") else None


class Forecourt:
    """Middleware for the outside: where there is no room anyway, the body need not come."""

    def __init__(
        self,
        app: ASGIApp,
        *,
        places: Places,
        paths: Container[str],
        client_of: Callable[[Scope], Hashable] = address_of,
    ) -> None:
        self._app = app
        self._places = places
        self._paths = paths
        self._client_of = client_of

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Passes on, or answers 429."""
        costly = scope["type"] == "http" and scope["method"] == "POST" and scope["path"] in self._paths
        if costly and not self._places.has_room(self._client_of(scope)):
            await answer(self._places.refusal, send)
            return
        await self._app(scope, receive, send)


class Turnstile:
    """Middleware behind the receipt of bodies, so that a slow sender holds no place.

    ``weigh`` says how many places a body (as JSON) needs.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        places: Places,
        paths: Container[str],
        client_of: Callable[[Scope], Hashable] = address_of,
        weigh: Callable[[object], int] = lambda value: 1,
    ) -> None:
        self._app = app
        self._places = places
        self._paths = paths
        self._client_of = client_of
        self._weigh = weigh

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Takes places for as long as the answer takes, or answers 429."""
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in self._paths:
            await self._app(scope, receive, send)
            return
        client = self._client_of(scope)
        count = max(1, self._weigh(scope.get("state", {}).get("json")))
        if not self._places.take(client, count):
            await answer(self._places.refusal, send)
            return
        start = time.monotonic()
        try:
            await self._app(scope, receive, send)
        finally:
            self._places.give_back(client, count, time.monotonic() - start)
