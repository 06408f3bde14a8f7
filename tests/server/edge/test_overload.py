"""Overload: places are counted and given back, a full queue refuses at once, and nobody takes all of it."""

import asyncio
import json
import random

import pytest
from starlette.types import Receive, Scope, Send

from octavo.server.edge.overload import Forecourt, Places, Turnstile
from tests.server.asking import Answer, ask, read_body, respond

PATHS = {"/json"}


class Slow:
    """An application that answers when it is told to."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.running = 0
        self.most = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await read_body(receive)
        self.running += 1
        self.most = max(self.most, self.running)
        try:
            await self.go.wait()
            await respond(send, b"done")
        finally:
            self.running -= 1


def test_beyond_the_places_all_are_refused_at_once_and_told_when_to_come_back() -> None:
    async def scene() -> tuple[list[Answer], int, Places]:
        slow, places = Slow(), Places(8)
        app = Turnstile(slow, places=places, paths=PATHS)
        asked = [asyncio.ensure_future(ask(app, b"{}", client=f"c{each}")) for each in range(20)]
        refused, _ = await asyncio.wait(asked, timeout=0.1)
        assert len(refused) == 12
        slow.go.set()
        return await asyncio.gather(*asked), slow.most, places

    answers, most, places = asyncio.run(scene())
    assert [answer.status for answer in answers] == [200] * 8 + [429] * 12
    assert most == 8
    assert json.loads(answers[-1].body)["error"]["type"] == "overloaded"
    assert int(answers[-1].headers[b"retry-after"]) >= 1
    assert places.taken == 0


@pytest.mark.parametrize("trouble", ["error", "cancelled"])
def test_a_place_comes_back_however_the_request_ends(trouble: str) -> None:
    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        if trouble == "error":
            raise RuntimeError
        await asyncio.sleep(10)

    async def scene() -> int:
        places = Places(2)
        task = asyncio.ensure_future(ask(Turnstile(fail, places=places, paths=PATHS), b"{}"))
        await asyncio.sleep(0.01)
        task.cancel()
        await asyncio.wait([task])
        assert task.cancelled() or task.exception()
        return places.taken

    assert asyncio.run(scene()) == 0


def test_other_paths_need_no_place() -> None:
    async def scene() -> list[int]:
        places = Places(1)
        places.take("someone")
        app = Forecourt(Turnstile(answer_now, places=places, paths=PATHS), places=places, paths=PATHS)
        asked = [ask(app, path="/health"), ask(app, method="GET"), ask(app, b"{}")]
        return [answer.status for answer in await asyncio.gather(*asked)]

    assert asyncio.run(scene()) == [200, 200, 429]


async def answer_now(scope: Scope, receive: Receive, send: Send) -> None:
    await respond(send, b"")


def test_the_forecourt_refuses_before_the_body_comes() -> None:
    async def scene() -> Answer:
        places = Places(1)
        places.take("someone")
        return await asyncio.wait_for(ask(Forecourt(answer_now, places=places, paths=PATHS), []), 1)

    assert asyncio.run(scene()).status == 429


def test_one_client_leaves_room_for_a_newcomer() -> None:
    places = Places(64)
    assert sum(places.take("hog") for _ in range(1000)) == 56
    assert places.take("newcomer")
    # The newcomer may go on to its own share, and the hog gets nothing until it is below its.
    assert sum(places.take("newcomer") for _ in range(1000)) == 7
    for _ in range(40):
        places.give_back("hog", 1, 1.0)
    assert sum(places.take("newcomer") for _ in range(1000)) == 20
    assert sum(places.take("hog") for _ in range(1000)) == 12


def test_what_a_request_weighs_is_taken_and_the_largest_is_served_alone() -> None:
    places = Places(10)
    assert places.take("a", 1000)
    assert places.taken == 10
    assert not places.take("b")
    places.give_back("a", 1000, 2.0)
    assert (places.taken, places.take("b", 3), places.taken) == (0, True, 3)
    assert not places.take("c", 8)


def test_a_body_is_weighed() -> None:
    async def scene() -> int:
        slow, places = Slow(), Places(10)
        app = Turnstile(slow, places=places, paths=PATHS, weigh=lambda value: 4)
        asked = [asyncio.ensure_future(ask(app, b"{}", client=f"c{each}")) for each in range(3)]
        await asyncio.sleep(0.05)
        taken = places.taken
        slow.go.set()
        await asyncio.gather(*asked)
        return taken

    assert asyncio.run(scene()) == 8


def test_the_wait_grows_with_what_requests_take() -> None:
    places = Places(4)
    first = places.refusal.retry_after
    for _ in range(200):
        places.take("a")
        places.give_back("a", 1, 40.0)
    assert first == 1
    assert places.refusal.retry_after == 20
    for _ in range(200):
        places.take("a")
        places.give_back("a", 1, 4000.0)
    assert places.refusal.retry_after == 60


@pytest.mark.parametrize("seed", range(5))
def test_places_are_never_lost_nor_made(seed: int) -> None:
    rng = random.Random(seed)
    places = Places(rng.choice([1, 2, 7, 8, 100]))
    held: list[tuple[str, int]] = []
    for _ in range(3000):
        if held and rng.random() < 0.45:
            client, count = held.pop(rng.randrange(len(held)))
            places.give_back(client, count, 1.0)
        else:
            client, count = rng.choice("abcdef"), rng.choice([1, 1, 1, 5, 300])
            had_room = places.has_room(client, count)
            assert places.take(client, count) == had_room
            held += [(client, count)] * had_room
        assert places.taken == sum(min(count, places.most) for _, count in held)
        assert places.taken <= places.most
    for client, count in held:
        places.give_back(client, count, 1.0)
    assert places.taken == 0
    assert places.take("anyone", places.most)
