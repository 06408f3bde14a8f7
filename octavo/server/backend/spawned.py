"""ProcessService: the engine in a process of its own; starts it, speaks with it, and sees at once when it is dead."""

import asyncio
import dataclasses
import logging
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable

from octavo import errors
from octavo.engine.admission import check_request
from octavo.engine.config import EngineConfig
from octavo.engine.request import Request
from octavo.errors import OctavoError
from octavo.server.backend.desk import Desk, Pending
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.link import AsyncLink, Message, connect
from octavo.server.backend.service import EngineDead, ServiceFacts, ServiceLoad, State, StepObserver
from octavo.server.backend.wire import facts_of, grammar_to_plain, load_of, progress_of, report_of, request_to_plain
from octavo.server.settings import ModelSettings

LOG = logging.getLogger("octavo.server")
# What a process gets to end by itself, and to be gone after its connection ended.
SECONDS_TO_STOP = 5.0
SECONDS_TO_REAP = 1.0


class ProcessService:
    """One engine's process and all that waits for it; ``start`` once, ``stop`` whatever happens.

    ``on_death`` is called once when the process ends without having been told to, with one line that says how.
    """

    def __init__(
        self, model: ModelSettings, engine: EngineConfig, *, on_death: Callable[[str], None] | None = None
    ) -> None:
        self.state: State = "loading"
        self.load = ServiceLoad()
        self._settings = (model, engine)
        self._on_death = on_death
        self._facts: ServiceFacts | None = None
        self._observers: list[StepObserver] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._lifeline: int | None = None
        self._link = AsyncLink(self._hear, self._hung_up)
        self._desk = Desk(self._abort)
        self._opened: asyncio.Future[ServiceFacts] | None = None
        self._stopping = False
        self._how_it_ended = "the engine was never started"

    @property
    def facts(self) -> ServiceFacts:
        """What was opened; raises EngineDead before anything was."""
        if self._facts is None:
            raise EngineDead("the engine has not opened its model yet: wait until it is ready")
        return self._facts

    @property
    def pid(self) -> int | None:
        """The process's number."""
        return None if self._process is None else self._process.pid

    async def start(self) -> None:
        """Starts the process and waits until its model is open.

        Raises what the opening raised there: ConfigError, CheckpointError, TokenizerError, MemoryError, OSError; or
        EngineDead when the process ended without a word.
        """
        self._opened = asyncio.get_running_loop().create_future()
        near, far = socket.socketpair()
        watched, self._lifeline = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "octavo.server.backend.engine_main", str(far.fileno()), str(watched)],
                pass_fds=(far.fileno(), watched),
                stdin=subprocess.DEVNULL,
            )
        finally:
            far.close()
            os.close(watched)
        await connect(near, self._link)
        model, engine = self._settings
        self._link.send(["open", dataclasses.asdict(model), dataclasses.asdict(engine)])
        self._facts = await self._opened
        self.load = ServiceLoad(pages_total=self._facts.num_pages)
        self.state = "ready"

    async def stop(self) -> None:
        """Ends the process: asks it first, and kills it where that does not help; nothing of it is left afterwards."""
        self._stopping = True
        if self.state == "loading":  # it listens only once its model is open
            self._kill()
        self._link.send(["stop"])
        if not await self._gone(within=SECONDS_TO_STOP):
            self._kill()
            await self._gone(within=SECONDS_TO_STOP)
        self._link.close()
        self._die("the engine was stopped")

    def check(self, request: Request) -> None:
        """Raises RequestError for a request that the engine would refuse."""
        check_request(request, self.facts.bounds)

    def submit(self, request: Request, *, grammar: GrammarSpec | None = None) -> Pending:
        """Queues a request; raises EngineDead where there is no engine."""
        if self.state == "dead" or self._facts is None:
            raise EngineDead(self._how_it_ended)
        pending = self._desk.open(request)
        self._link.send(["add", request_to_plain(request), grammar_to_plain(grammar)])
        return pending

    def observe(self, observer: StepObserver) -> None:
        """Calls ``observer`` after every step from now on."""
        self._observers.append(observer)

    def _abort(self, request_id: str, index: int | None) -> None:
        self._link.send(["abort", request_id, index])

    def _hear(self, message: Message) -> None:
        match message:
            case ["said", said, report]:
                self._desk.hand_out(map(progress_of, said))
                if report is not None:
                    self._report(report)
            case ["load", load]:
                self.load = load_of(load)
            case ["refused", request_id, kind, text]:
                self._desk.fail(request_id, _error_of(kind, text))
            case ["ready", facts]:
                assert self._opened is not None
                if not self._opened.done():
                    self._opened.set_result(facts_of(facts))
            case ["failed", kind, text]:
                assert self._opened is not None
                if not self._opened.done():
                    self._opened.set_exception(_start_error(kind, text))
            case _:
                LOG.error("the engine said something unheard of: %.40r", message[0])

    def _report(self, plain: list[object]) -> None:
        report = report_of(plain)
        self.load = report.load
        for observer in self._observers:
            try:
                observer(report)
            except Exception:
                LOG.exception("an observer of the engine's steps failed")

    def _hung_up(self, why: str) -> None:
        """The link has ended: nobody will hear from the engine again, whether its process still runs or not."""
        if not self._stopping:
            asyncio.get_running_loop().create_task(self._reap(why))
        self._die(f"the engine's process has ended ({why}): the request is lost, so send it again")

    async def _reap(self, why: str) -> None:
        if not await self._gone(within=SECONDS_TO_REAP):
            self._kill()
            await self._gone(within=SECONDS_TO_STOP)
        code = None if self._process is None else self._process.returncode
        line = f"the engine's process has died: {_described(code, why)}"
        if self._opened is not None and not self._opened.done():
            self._opened.set_exception(EngineDead(line))
        elif self._on_death is not None and not self._stopping:
            self._on_death(line)

    def _die(self, how: str) -> None:
        if self.state != "dead":
            self.state = "dead"
            self._how_it_ended = how
            self.load = ServiceLoad()
            self._desk.fail_all(lambda: EngineDead(how))
        if self._lifeline is not None:
            os.close(self._lifeline)
            self._lifeline = None

    def _kill(self) -> None:
        if self._process is not None:
            self._process.kill()

    async def _gone(self, *, within: float) -> bool:
        """Whether the process has ended, waiting for that a little."""
        loop = asyncio.get_running_loop()
        until = loop.time() + within
        while self._process is not None and self._process.poll() is None:
            if loop.time() > until:
                return False
            await asyncio.sleep(0.01)
        return True


def _error_of(kind: str, text: str) -> OctavoError:
    found = getattr(errors, kind, OctavoError)
    return found(text) if isinstance(found, type) and issubclass(found, OctavoError) else OctavoError(text)


def _start_error(kind: str, text: str) -> Exception:
    """What the opening raised in the process, as far as its class is known here."""
    if kind == "MemoryError":
        return MemoryError(text)
    if kind in vars(errors):
        return _error_of(kind, text)
    return RuntimeError(f"{kind}: {text}")


def _described(code: int | None, why: str) -> str:
    """How a process ended."""
    if code is None:
        return why
    if code >= 0:
        return f"it ended with exit code {code} (its last words, if any, are above)"
    name = signal.Signals(-code).name if -code in set(signal.Signals) else f"signal {-code}"
    hint = "; if nobody sent that, the system may have run out of memory" if -code == signal.SIGKILL else ""
    return f"it was ended by {name}{hint}"
