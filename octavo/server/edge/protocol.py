"""GuardedProtocol: uvicorn's HTTP/1.1 with bounds on what a connection may send, hold and leave unread.

    resting --bytes--> head --all headers--> body --all of it--> resting        any of them --refused--> leaving

Each state but the first has a clock that no byte sets back, so that a slow sender gains nothing by sending on. A
refusal is written only where no answer has begun; then what still comes is thrown away for a moment, since to close
with unread bytes would make the kernel discard the refusal too. A request sent ahead of the answer to the one before
is not taken: the connection ends with that answer, and the client may send it again (RFC 9112, 9.3.2). So there is one
request at a time on a connection, and a client that goes is missed at once.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Literal

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from octavo.server.edge.refusal import Refusal, too_large
from octavo.server.limits import Limits

# What a body may take on the wire over its own length: chunks of a few bytes, or one too large that is thrown away.
WIRE_SHARE = 16
WISHES = (b"connection", b"upgrade", b"http2-settings")
LEAVING_SECONDS = 1.0
BUSY_SECONDS = 5


def protocol_with(
    limits: Limits, on_refusal: Callable[[int], None] = lambda status: None
) -> Callable[..., asyncio.Protocol]:
    """What uvicorn takes as ``http=``: makes the protocol of each connection, within ``limits``.

    ``on_refusal`` hears the status of what is refused before there is a request; nobody else does.
    """

    def connect(*args: Any, **kwargs: Any) -> asyncio.Protocol:
        return GuardedProtocol(*args, limits=limits, on_refusal=on_refusal, **kwargs)

    return connect


class GuardedProtocol(HttpToolsProtocol):
    """One connection; see the module for its states."""

    def __init__(self, *args: Any, limits: Limits, on_refusal: Callable[[int], None], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.limits = limits
        self.on_refusal = on_refusal
        self.timeout_keep_alive = limits.keep_alive_timeout  # type: ignore[assignment]  # call_later takes a float
        self.state: Literal["resting", "head", "body", "leaving"] = "resting"
        self.num_received = 0  # bytes, in this state
        self.refusal: Refusal | None = None
        self.clock: asyncio.TimerHandle | None = None
        self.reader_clock: asyncio.TimerHandle | None = None

    # What a connection sends.

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begins the time for the first headers; one connection too many is told so."""
        super().connection_made(transport)
        # Any byte that the kernel does not take at once counts as waiting for the reader.
        transport.set_write_buffer_limits(high=0)
        if len(self.connections) > self.limits.max_connections:
            message = f"{self.limits.max_connections} connections are open: close some, or try again"
            self.refuse(Refusal(status=503, code="max_connections", message=message, retry_after=BUSY_SECONDS))
        else:
            self.wind(self.limits.header_timeout)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the clocks."""
        self.wind(None)
        self.watch_reader(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Counts and parses what came."""
        self._unset_keepalive_if_required()
        if self.state == "resting" and self.clock is None:
            self.wind(self.limits.header_timeout)
        self.num_received += len(data)
        if self.state == "leaving":
            if self.num_received > WIRE_SHARE * self.limits.max_body_bytes:
                self.transport.abort()
            return
        try:
            self.parse(data)
        except httptools.HttpParserError:
            message = "this is no HTTP/1.1 request that is served here"
            self.refuse(self.refusal or Refusal(status=400, code="invalid_http", message=message))
            return
        if self.state == "head" and self.num_received > self.limits.max_header_bytes:
            self.refuse(self.too_many_header_bytes())
        elif self.state == "body" and self.num_received > WIRE_SHARE * self.limits.max_body_bytes:
            self.refuse(too_large(self.limits))

    def parse(self, data: bytes) -> None:
        """Feeds the parser; a head that wishes for another protocol is read again without that wish.

        A server may pass over it, but the parser stops there, and would lose the body. (Java's client adds one to
        every request, for HTTP/2.)
        """
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            kept = [(name, value) for name, value in self.headers if name not in WISHES]
            closing = b"close" in b"".join(value.lower() for name, value in self.headers if name == b"connection")
            kept += [(b"connection", b"close")] * closing
            lines = [b"%s %s HTTP/1.1" % (self.parser.get_method(), self.url), *(b": ".join(pair) for pair in kept)]
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(b"\r\n".join([*lines, b"", data[upgrade.args[0] :]]))

    def on_message_begin(self) -> None:
        """Begins to read headers, unless the request before has no answer yet."""
        # Before the first request there is no cycle, whatever uvicorn's types say.
        if self.cycle is not None and not self.cycle.response_complete:  # type: ignore[redundant-expr]
            self.cycle.keep_alive = False
            self.state = "leaving"
            raise ValueError("sent ahead")
        super().on_message_begin()
        self.state, self.num_received = "head", 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Takes one header; one that comes after the body is left out, since the application has begun to read them."""
        if self.state == "body":
            return
        super().on_header(name, value)
        if len(self.headers) > self.limits.max_headers:
            message = f"there are more than {self.limits.max_headers} headers: send fewer"
            self.stop(Refusal(status=431, code="max_headers", message=message))

    def on_headers_complete(self) -> None:
        """Judges the headers as a whole, and begins the time for the body."""
        if len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers) > (
            self.limits.max_header_bytes
        ):
            self.stop(self.too_many_header_bytes())
        trouble = find_trouble(self.headers, self.parser.get_http_version())
        if self.parser.get_method() == b"CONNECT":
            trouble = "this is no proxy: send the request to where it shall go"
        if trouble:
            self.stop(Refusal(status=400, code="invalid_http", message=trouble))
        if self.parser.should_upgrade():
            return
        super().on_headers_complete()
        self.state, self.num_received = "body", 0
        self.wind(self.limits.body_timeout)

    def on_message_complete(self) -> None:
        """Ends a request's receipt."""
        if self.parser.should_upgrade():
            return
        self.wind(None)
        self.state, self.num_received = "resting", 0
        super().on_message_complete()

    def _should_upgrade(self) -> bool:
        """Never: a WebSocket would leave every guard behind."""
        return False

    def wind(self, seconds: float | None) -> None:
        """Begins the time of a state anew, or stops it."""
        if self.clock is not None:
            self.clock.cancel()
        self.clock = None if seconds is None else self.loop.call_later(seconds, self.on_time_up, seconds)

    def on_time_up(self, seconds: float) -> None:
        """Refuses what has not come in time; while it is we who do not read, nobody is late."""
        self.clock = None
        if self.flow.read_paused and not self.transport.is_closing():
            self.wind(seconds)
        elif self.state == "resting":
            self.transport.close()
        else:
            part = "headers" if self.state == "head" else "body"
            message = f"the {part} took longer than {seconds:g} s to arrive: send all of it at once"
            self.refuse(Refusal(status=408, code=f"{part.rstrip('s')}_timeout", message=message))

    # How a connection is refused.

    def too_many_header_bytes(self) -> Refusal:
        """What a head that is too large is told."""
        message = f"the headers are larger than {self.limits.max_header_bytes} bytes: send fewer"
        return Refusal(status=431, code="max_header_bytes", message=message)

    def stop(self, refusal: Refusal) -> None:
        """Leaves the parser, which calls us, with a refusal for ``data_received`` to send."""
        self.refusal = refusal
        raise ValueError(refusal.code)

    def refuse(self, refusal: Refusal) -> None:
        """Sends a refusal where no answer has begun, and ends the connection."""
        if self.transport.is_closing() or self.state == "leaving":
            return
        receiving, self.state, self.num_received = self.state == "body", "leaving", 0
        self.wind(None)
        if receiving and self.cycle.response_complete:
            self.transport.close()
            return
        if receiving and self.cycle.response_started:
            self.transport.abort()
            return
        if receiving:
            # The application learns that nobody waits for it; what it still sends goes nowhere.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        self.on_refusal(refusal.status)
        headers = [*self.server_state.default_headers, *refusal.headers, (b"connection", b"close")]
        lines = [STATUS_LINE[refusal.status], *(name + b": " + value + b"\r\n" for name, value in headers)]
        self.transport.write(b"".join([*lines, b"\r\n", refusal.body]))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.clock = self.loop.call_later(LEAVING_SECONDS, self.transport.abort)

    # What a connection leaves unread.

    def pause_writing(self) -> None:
        """Begins the time that bytes may wait for the reader."""
        super().pause_writing()
        if self.transport.get_write_buffer_size() > self.limits.max_unsent_bytes:
            self.transport.abort()
        elif self.reader_clock is None:
            self.watch_reader(self.limits.reader_timeout)

    def resume_writing(self) -> None:
        """The reader took all that waited."""
        self.watch_reader(None)
        super().resume_writing()

    def watch_reader(self, seconds: float | None) -> None:
        """Begins that time anew, or stops it."""
        if self.reader_clock is not None:
            self.reader_clock.cancel()
        self.reader_clock = None if seconds is None else self.loop.call_later(seconds, self.transport.abort)


def find_trouble(headers: list[tuple[bytes, bytes]], http_version: str) -> str | None:
    """What in these headers two readers might take differently, if anything: where the body ends, or whose it is."""
    names = [name for name, _ in headers]
    coding = [value.strip().lower() for name, value in headers if name == b"transfer-encoding"]
    if coding and b"content-length" in names:
        return "both Content-Length and Transfer-Encoding are there: send one"
    if coding and (coding != [b"chunked"] or http_version != "1.1"):
        return "the Transfer-Encoding is not chunked, once, in HTTP/1.1: send a plain body"
    if names.count(b"content-length") > 1:
        return "there is more than one Content-Length: send one"
    if names.count(b"host") != 1 and not (http_version == "1.0" and b"host" not in names):
        return "want exactly one Host header"
    return None
