"""The link: messages between the two processes of a server, framed on a stream socket.

    frame = length of the body, 4 bytes, most significant first · body, one value in MessagePack

A frame's length is held against ``MOST_BYTES`` before anything is allocated for it. Either side may be slow: the HTTP
side keeps what it could not send, the engine's side waits until it could, reading nothing.
"""

import asyncio
import contextlib
import select
import socket
import struct
from collections.abc import Callable
from typing import Any, cast

import msgpack

from octavo.errors import OctavoError

MOST_BYTES = 2**26
_LENGTH = struct.Struct(">I")
_CHUNK = 2**18

Message = list[Any]


class LinkBroken(OctavoError, ConnectionError):
    """The other side has gone, or sends what is no message."""


class MessageTooLong(OctavoError, ValueError):
    """A message that no frame holds; nothing of it was sent."""


def framed(message: Message) -> bytes:
    """The frame of a message; raises MessageTooLong for one that none holds."""
    body: bytes = msgpack.packb(message)
    if len(body) > MOST_BYTES:
        raise MessageTooLong(f"it is {len(body)} bytes long: want at most {MOST_BYTES}, so ask for less at once")
    return _LENGTH.pack(len(body)) + body


class Deframer:
    """Finds the messages in a stream of bytes, however they are cut."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, received: bytes) -> list[Message]:
        """The messages that ``received`` completes; raises LinkBroken for what is none."""
        buffer = self._buffer
        buffer += received
        found: list[Message] = []
        start = 0
        while len(buffer) - start >= _LENGTH.size:
            (length,) = _LENGTH.unpack_from(buffer, start)
            if length > MOST_BYTES:
                raise LinkBroken(f"a frame says that it is {length} bytes long: want at most {MOST_BYTES}")
            end = start + _LENGTH.size + length
            if len(buffer) < end:
                break
            found.append(_read(bytes(buffer[start + _LENGTH.size : end])))
            start = end
        del buffer[:start]
        return found


def _read(body: bytes) -> Message:
    try:
        # Its own bounds are the body's length: no array or text in it can be longer than that.
        message = msgpack.unpackb(body, strict_map_key=False)
    except (ValueError, msgpack.UnpackException) as error:
        raise LinkBroken(f"a frame of {len(body)} bytes is no MessagePack: {error}") from None
    if not isinstance(message, list) or not message or not isinstance(message[0], str):
        raise LinkBroken(f"a message is a {type(message).__name__}: want a list that begins with its name")
    return message


class BlockingLink:
    """The engine's end: reads what is there between two steps, or waits for something."""

    def __init__(self, end: socket.socket) -> None:
        end.setblocking(False)
        self._socket = end
        self._deframer = Deframer()

    def receive(self, *, wait: bool, also: int | None = None) -> list[Message]:
        """The messages that have arrived; with ``wait`` it waits for one, or until descriptor ``also`` can be read.

        Raises LinkBroken when the other side is gone.
        """
        found: list[Message] = []
        while True:
            try:
                received = self._socket.recv(_CHUNK)
            except BlockingIOError:
                if found or not wait:
                    return found
                own = self._socket.fileno()
                readable, _, _ = select.select([own] if also is None else [own, also], [], [])
                if own not in readable:
                    return found
                continue
            except OSError as error:
                raise LinkBroken(f"the other side cannot be heard: {error}") from None
            if not received:
                if found:  # what it said before it went is not lost
                    return found
                raise LinkBroken("the other side has gone")
            found += self._deframer.feed(received)

    def send(self, message: Message) -> None:
        """Sends a message, waiting while the other side is slow.

        Raises LinkBroken when it is gone, and MessageTooLong.
        """
        rest = memoryview(framed(message))
        while rest:
            try:
                rest = rest[self._socket.send(rest) :]
            except BlockingIOError:
                select.select([], [self._socket], [])
            except OSError as error:
                raise LinkBroken(f"the other side cannot be told: {error}") from None


class AsyncLink(asyncio.Protocol):
    """The HTTP side's end: calls ``on_message`` for each message and ``on_end`` once, when there will be no more."""

    def __init__(self, on_message: Callable[[Message], None], on_end: Callable[[str], None]) -> None:
        self._on_message = on_message
        self._on_end = on_end
        self._deframer = Deframer()
        self._transport: asyncio.WriteTransport | None = None
        self._why = "its connection ended"

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the way out."""
        # uvloop's transports are of no class of asyncio's.
        self._transport = cast(asyncio.WriteTransport, transport)

    def data_received(self, received: bytes) -> None:
        """Hands on the messages that are whole."""
        try:
            for message in self._deframer.feed(received):
                self._on_message(message)
        except LinkBroken as error:
            self._why = str(error)
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        """Says that the other side is gone."""
        self._on_end(f"{self._why} ({error})" if error else self._why)

    def send(self, message: Message) -> None:
        """Sends a message, or keeps it until it can be; to nobody where the other side is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed(message))

    def close(self) -> None:
        """Hangs up at once."""
        if self._transport is not None:
            self._transport.abort()


async def connect(end: socket.socket, link: AsyncLink) -> None:
    """Gives a socket to an AsyncLink."""
    with contextlib.suppress(OSError):
        end.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**22)
    await asyncio.get_running_loop().create_unix_connection(lambda: link, sock=end)
