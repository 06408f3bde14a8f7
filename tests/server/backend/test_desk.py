"""Progress reaches the submission that it belongs to, once and in order; an ended one disturbs nobody."""

import asyncio

import pytest

from octavo.engine.request import FinishReason, Progress, Request
from octavo.server.backend.desk import Desk, Pending
from octavo.server.backend.service import EngineDead
from tests.engine.serving import request


class Room:
    """A desk, and what it asked the engine to end."""

    def __init__(self) -> None:
        self.aborted: list[tuple[str, int | None]] = []
        self.desk = Desk(lambda *ended: self.aborted.append(ended))


def said(name: str, token: int, *, index: int = 0, end: FinishReason | None = None) -> Progress:
    return Progress(request_id=name, index=index, token_id=token, finish_reason=end)


def asked(name: str, n: int = 1) -> Request:
    return request([1], name, n=n)


async def tokens(pending: Pending) -> list[int | None]:
    return [progress.token_id async for some in pending for progress in some]


def test_each_submission_gets_its_own_in_order() -> None:
    async def run() -> None:
        room = Room()
        first, second = room.desk.open(asked("a")), room.desk.open(asked("b"))
        room.desk.hand_out([said("a", 1), said("b", 7), said("c", 0)])
        room.desk.hand_out([said("a", 2, end="length"), said("b", 8, end="stop")])
        assert [await tokens(first), await tokens(second)] == [[1, 2], [7, 8]]
        assert len(room.desk) == 0
        await first.aclose()
        assert room.aborted == []

    asyncio.run(run())


def test_what_waits_is_handed_out_at_once_and_nothing_twice() -> None:
    async def run() -> None:
        room = Room()
        pending = room.desk.open(asked("a"))
        room.desk.hand_out([said("a", 1)])
        room.desk.hand_out([said("a", 2)])
        assert [one.token_id for one in await anext(pending)] == [1, 2]
        waiting = asyncio.ensure_future(anext(pending))
        await asyncio.sleep(0)
        assert not waiting.done()
        room.desk.hand_out([said("a", 3, end="stop")])
        assert [one.token_id for one in await waiting] == [3]

    asyncio.run(run())


def test_closing_ends_what_is_open_and_once_only() -> None:
    async def run() -> None:
        room = Room()
        pending = room.desk.open(asked("a"))
        await pending.aclose()
        await pending.aclose()
        assert room.aborted == [("a", None)]
        room.desk.hand_out([said("a", 1)])
        again = room.desk.open(asked("a"))
        await pending.aclose()
        room.desk.hand_out([said("a", 2, end="stop")])
        assert await tokens(again) == [2]

    asyncio.run(run())


def test_an_aborted_output_says_no_more_and_the_others_go_on() -> None:
    async def run() -> None:
        room = Room()
        pending = room.desk.open(asked("a", n=2))
        room.desk.hand_out([said("a", 1), said("a", 5, index=1)])
        pending.abort(0)
        pending.abort(0)
        room.desk.hand_out([said("a", 2), said("a", 6, index=1, end="stop")])
        assert await tokens(pending) == [5, 6]
        assert room.aborted == [("a", 0)]

    asyncio.run(run())


def test_aborting_the_last_output_ends_the_wait() -> None:
    async def run() -> None:
        room = Room()
        pending = room.desk.open(asked("a"))
        waiting = asyncio.ensure_future(tokens(pending))
        await asyncio.sleep(0)
        pending.abort(0)
        assert await waiting == []
        assert len(room.desk) == 0

    asyncio.run(run())


def test_a_dead_engine_is_told_to_all_and_what_came_before_is_not_lost() -> None:
    async def run() -> None:
        room = Room()
        first, second = room.desk.open(asked("a")), room.desk.open(asked("b"))
        room.desk.hand_out([said("a", 1)])
        room.desk.fail_all(lambda: EngineDead("it ended"))
        assert [one.token_id for one in await anext(first)] == [1]
        for pending in (first, second):
            with pytest.raises(EngineDead, match="it ended"):
                await anext(pending)
            await pending.aclose()
        assert room.aborted == []

    asyncio.run(run())
