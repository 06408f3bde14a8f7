"""Messages arrive whole and in order however the bytes are cut, and a frame that lies is refused before it is held."""

import asyncio
import socket
import struct
import threading
import time
from collections.abc import Callable

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from octavo.server.backend.link import (
    MOST_BYTES,
    AsyncLink,
    BlockingLink,
    Deframer,
    LinkBroken,
    Message,
    MessageTooLong,
    connect,
    framed,
)

MESSAGES: list[Message] = [["a"], ["said", [1, None, b"\x00\xff", {"x": 1.5, 7: "y"}]], ["long", "z" * 70_000]]


@given(st.lists(st.integers(1, 50_000), max_size=30))
def test_messages_survive_any_cut(cuts: list[int]) -> None:
    stream = b"".join(map(framed, MESSAGES))
    deframer, found = Deframer(), []
    for cut in [*cuts, len(stream)]:
        found += deframer.feed(stream[:cut])
        stream = stream[cut:]
    assert found == MESSAGES


def test_a_length_past_the_bound_is_refused_before_its_body_arrives() -> None:
    with pytest.raises(LinkBroken, match=f"{MOST_BYTES + 1} bytes long: want at most {MOST_BYTES}"):
        Deframer().feed(struct.pack(">I", MOST_BYTES + 1))
    with pytest.raises(MessageTooLong, match="want at most"):
        framed(["big", bytes(MOST_BYTES)])


@pytest.mark.parametrize(
    "body",
    [
        b"\xc1",
        b"\x93\x01",
        msgpack.packb([]),
        msgpack.packb([1]),
        msgpack.packb("a"),
        msgpack.packb(["a"]) + b"\x00",
        b"\xdd\xff\xff\xff\xff",  # an array of four thousand million
        b"",
    ],
)
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(LinkBroken):
        Deframer().feed(struct.pack(">I", len(body)) + body)


def test_a_link_that_is_not_to_wait_does_not() -> None:
    near, far = socket.socketpair()
    with near, far:
        link = BlockingLink(near)
        assert link.receive(wait=False) == []
        far.sendall(framed(["a"]) + framed(["b"])[:3])
        assert link.receive(wait=False) == [["a"]]
        assert link.receive(wait=False) == []
        far.sendall(framed(["b"])[3:])
        assert link.receive(wait=True) == [["b"]]


def test_waiting_ends_for_the_other_descriptor_too() -> None:
    near, far = socket.socketpair()
    bell, rope = socket.socketpair()
    with near, far, bell, rope:
        rope.send(b"!")
        assert BlockingLink(near).receive(wait=True, also=bell.fileno()) == []


def test_a_side_that_has_gone_is_noticed() -> None:
    near, far = socket.socketpair()
    with near:
        link = BlockingLink(near)
        far.close()
        with pytest.raises(LinkBroken, match="has gone"):
            link.receive(wait=True)
        with pytest.raises(LinkBroken, match="cannot be told"):
            for _ in range(2):
                link.send(["a"])


def ending(ended: list[str], gone: asyncio.Event) -> Callable[[str], None]:
    def end(why: str) -> None:
        ended.append(why)
        gone.set()

    return end


def test_both_ends_speak_though_one_is_slow() -> None:
    near, far = socket.socketpair()
    heard: list[Message] = []
    ended: list[str] = []

    def engine() -> None:
        link = BlockingLink(far)
        for message in link.receive(wait=True):
            link.send(["echo", message])
        for _ in range(200):
            link.send(["fill", bytes(50_000)])
        far.close()

    async def run() -> None:
        gone = asyncio.Event()
        link = AsyncLink(heard.append, ending(ended, gone))
        await connect(near, link)
        link.send(["hello"])
        time.sleep(0.1)  # an event loop that is held up holds the engine up, and nothing is lost
        await asyncio.wait_for(gone.wait(), 20)

    thread = threading.Thread(target=engine)
    thread.start()
    asyncio.run(run())
    thread.join()
    assert heard[0] == ["echo", ["hello"]]
    assert len(heard) == 201
    assert ended == ["its connection ended"]


def test_nonsense_ends_the_connection_and_says_why() -> None:
    near, far = socket.socketpair()
    ended: list[str] = []

    async def run() -> None:
        gone = asyncio.Event()
        await connect(near, AsyncLink(lambda _: None, ending(ended, gone)))
        far.sendall(b"\xff\xff\xff\xff")
        await asyncio.wait_for(gone.wait(), 5)

    with far:
        asyncio.run(run())
    assert "a frame says that it is 4294967295 bytes long" in ended[0]
