"""Runs a server from its settings to its end: bind, load, serve, drain.

    loading --model open--> ready --SIGTERM, Ctrl-C--> draining --last answer, or timeout--> ended
                              \\--engine died for good--> ended

While it drains, new requests get 503; running ones end in their own time, but for ``shutdown_timeout`` seconds at most.
"""

import asyncio
import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import uvicorn
from fastapi import FastAPI

from octavo.errors import ConfigError
from octavo.server.backend.loading import Found, find, find_own_tokenizer
from octavo.server.backend.service import Service
from octavo.server.backend.supervisor import Supervisor
from octavo.server.edge.descriptors import allow_descriptors
from octavo.server.edge.door import address_of, close_door
from octavo.server.edge.protocol import protocol_with
from octavo.server.routes.front import Front, make_front
from octavo.server.settings import ServerSettings

LOG = logging.getLogger("octavo.server")
# For answers to be written after the engine has ended, and connections to be closed.
SECONDS_TO_CLOSE = 2

Build = Callable[[Service, Front, ServerSettings], FastAPI]


@dataclass(frozen=True, slots=True, kw_only=True)
class Announced:
    """A server that has just begun to listen: where, and on what."""

    address: str
    service: Service
    front: Front


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """How a server ended: None as it was told to, else one line about its engine's death."""

    trouble: str | None


class Listener(uvicorn.Server):
    """uvicorn's server without its own ideas about signals."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Leaves signals to ``serve``."""
        yield


def run(settings: ServerSettings, bound: socket.socket, build: Build, announce: Callable[[Announced], None]) -> Ended:
    """Serves at the door until a signal or the engine's death ends it; ``announce`` is called once it listens.

    Raises what keeps it from starting: ConfigError, CheckpointError, TokenizerError, MemoryError, EngineDead.
    """
    allow_descriptors(settings.limits.max_connections)
    config = uvicorn.Config(
        _unbuilt,
        ws="none",
        log_config=None,
        access_log=settings.log_requests,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=SECONDS_TO_CLOSE,
        ssl_keyfile=settings.door.ssl_keyfile,
        ssl_certfile=settings.door.ssl_certfile,
    )
    try:
        # Outside the event loop, so that a signal ends a long download at once.
        found = find(settings.model)
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            return runner.run(_serve(settings, found, bound, config, build=build, announce=announce))
    finally:
        close_door(bound, settings.door)


async def _serve(
    settings: ServerSettings,
    found: Found,
    bound: socket.socket,
    config: uvicorn.Config,
    *,
    build: Build,
    announce: Callable[[Announced], None],
) -> Ended:
    told = _listen_for_signals()
    supervisor = Supervisor(settings.model, settings.engine, on_death=settings.on_engine_death)
    try:
        starting = asyncio.ensure_future(supervisor.start())
        # The process opens the model meanwhile.
        tokenizer = await asyncio.to_thread(find_own_tokenizer, settings.model, found)
        front = make_front(settings.model_names, found.config, tokenizer)
        await _first(starting, told)
        if told.done():
            starting.cancel()
            return Ended(trouble=None)
        await starting
        app = build(supervisor, front, settings)
        # What is refused before there is a request never comes to the application, and is counted all the same.
        counted = protocol_with(settings.limits, app.state.observation.metrics.rejected_with)
        config.app, config.http = app, counted  # type: ignore[assignment]  # it makes a protocol, as a class would
        listener = Listener(config)
        address = address_of(bound, settings.door)
        serving = asyncio.ensure_future(_listen(listener, bound, address))
        while not listener.started and not serving.done():
            await asyncio.sleep(0.01)
        if not serving.done():
            announce(Announced(address=address, service=supervisor, front=front))
        await _first(serving, supervisor.over, told)
        if told.done() and not serving.done():
            await _drain(supervisor, listener, told, within=settings.shutdown_timeout)
        listener.should_exit = True
        await supervisor.stop()
        await serving
        return Ended(trouble=supervisor.over.result() if supervisor.over.done() and not told.done() else None)
    finally:
        await supervisor.stop()


async def _drain(supervisor: Supervisor, listener: Listener, told: asyncio.Future[int], *, within: float) -> None:
    """Waits for the requests that have begun; a second signal, the timeout or the engine's death ends the wait."""
    supervisor.drain()
    begun = set(listener.server_state.tasks)
    if not begun:
        return
    LOG.info("draining: %d requests may end within %g s; a second signal ends them now", len(begun), within)
    again = _listen_for_signals()
    ended = asyncio.ensure_future(asyncio.wait(begun, timeout=within))
    await _first(ended, again, supervisor.over)
    ended.cancel()
    if left := [task for task in begun if not task.done()]:
        LOG.warning("%d requests had not ended and are cut off", len(left))


async def _listen(listener: Listener, bound: socket.socket, address: str) -> None:
    try:
        await listener.serve([bound])
    except OSError as error:
        raise ConfigError(f"{address} cannot be listened on ({error.strerror or error}): choose another port") from None


def _listen_for_signals() -> "asyncio.Future[int]":
    """Done with the number of the first SIGTERM or SIGINT from now on; the one before hears of none any more."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[int] = loop.create_future()

    def tell(number: int) -> None:
        if not told.done():
            told.set_result(number)

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, tell, number)
    return told


async def _first(*waited: "asyncio.Future[Any]") -> None:
    """Waits until one of them is done."""
    await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)


async def _unbuilt(scope: object, receive: object, send: object) -> None:
    raise AssertionError("the application is built once the model is open")
