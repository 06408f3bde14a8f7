"""The wire: one HTTP/1.1 exchange after another over a plain connection, quick enough to send many thousands.

A client library would mend or refuse what is sent here, and hide what comes back.
"""

import asyncio
import contextlib
import resource

from benchmarks.promises.served import HOST

HEAD = "POST {path} HTTP/1.1\r\nHost: a\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{more}\r\n"


class Broken(Exception):
    """The other side closed before its answer had come."""


class Wire:
    """A connection that is opened when it is first needed, and anew after it was closed."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.reader: asyncio.StreamReader | None = None
        self.writer: asyncio.StreamWriter | None = None

    async def post(
        self, path: str, body: bytes, *, kind: str = "application/json", more: str = ""
    ) -> tuple[int, bytes]:
        """The status and body of the answer to one POST; raises Broken."""
        head = HEAD.format(path=path, kind=kind, length=len(body), more=more)
        return await self.exchange(head.encode("latin-1") + body)

    async def exchange(self, sent: bytes) -> tuple[int, bytes]:
        """The status and body of the answer to these bytes; raises Broken."""
        for attempt in (1, 2):
            fresh = self.writer is None
            try:
                if self.writer is None:
                    self.reader, self.writer = await asyncio.open_connection(HOST, self.port)
                assert self.reader is not None
                self.writer.write(sent)
                await self.writer.drain()
                return await self._read(self.reader)
            except (OSError, asyncio.IncompleteReadError) as error:
                await self.close()
                # A connection that rested may have been closed meanwhile, as every client has to expect.
                if fresh or attempt == 2:
                    raise Broken(repr(error)) from None
            except asyncio.CancelledError:
                await self.close()
                raise
        raise AssertionError("two attempts end one way or another")

    async def _read(self, reader: asyncio.StreamReader) -> tuple[int, bytes]:
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        status = int(head.split(b" ", 2)[1])
        if b"\r\ntransfer-encoding: chunked" in head:
            body = b""
            while size := int((await reader.readuntil(b"\r\n")).strip(), 16):
                body += (await reader.readexactly(size + 2))[:-2]
            await reader.readexactly(2)
        else:
            length = head.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0]
            body = await reader.readexactly(int(length or b"0"))
        if b"\r\nconnection: close" in head:
            await self.close()
        return status, body

    async def close(self) -> None:
        """Closes it, if it is open."""
        writer, self.reader, self.writer = self.writer, None, None
        if writer is not None:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


def allow_descriptors(wanted: int) -> None:
    """Lets this process, and those it starts, open so many files; raises OSError where the system does not."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < wanted:
        if hard != resource.RLIM_INFINITY and hard < wanted:
            raise OSError(f"at most {hard} files can be open: want {wanted}; raise it with ulimit -Hn")
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
