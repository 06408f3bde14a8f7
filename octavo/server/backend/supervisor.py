"""Supervisor: a Service that outlives its engine: it starts another when one dies, or says that it is over."""

import asyncio
import logging
import time
from collections import deque

from octavo.engine.config import EngineConfig
from octavo.engine.request import Request
from octavo.errors import OctavoError
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import EngineDead, ServiceFacts, ServiceLoad, State, StepObserver, Submission
from octavo.server.backend.spawned import ProcessService
from octavo.server.settings import ModelSettings, OnEngineDeath

LOG = logging.getLogger("octavo.server")
# More deaths than this within so many seconds are no accident any more.
MOST_DEATHS = 5
WITHIN_SECONDS = 60.0


class Supervisor:
    """Keeps one engine running; ``over`` is done, with one line, when there will be none any more."""

    def __init__(self, model: ModelSettings, engine: EngineConfig, *, on_death: OnEngineDeath) -> None:
        self.over: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._settings = (model, engine)
        self._restarts = on_death == "restart"
        self._observers: list[StepObserver] = []
        self._deaths: deque[float] = deque()
        self._draining = False
        self._engine = self._another()
        self._facts: ServiceFacts | None = None
        self._restarting: asyncio.Task[None] | None = None

    @property
    def facts(self) -> ServiceFacts:
        """What was opened; raises EngineDead before anything was."""
        return self._facts or self._engine.facts

    @property
    def load(self) -> ServiceLoad:
        """How busy the engine is."""
        return self._engine.load

    @property
    def state(self) -> State:
        """Whether requests are taken."""
        if self._restarting is not None and not self._draining:
            return "loading"
        state = self._engine.state
        return "draining" if self._draining and state == "ready" else state

    @property
    def pid(self) -> int | None:
        """The number of the engine's process."""
        return self._engine.pid

    async def start(self) -> None:
        """Opens the model; raises what ``ProcessService.start`` raises."""
        await self._engine.start()
        self._facts = self._engine.facts

    def drain(self) -> None:
        """Takes no new requests; those that are here go on."""
        self._draining = True

    async def stop(self) -> None:
        """Ends the engine, whatever it does."""
        self._draining = True
        if self._restarting is not None:
            self._restarting.cancel()
        await self._engine.stop()

    def check(self, request: Request) -> None:
        """Raises RequestError for a request that the engine would refuse."""
        self._engine.check(request)

    def submit(self, request: Request, *, grammar: GrammarSpec | None = None) -> Submission:
        """Queues a request; raises EngineDead where there is no engine."""
        if self._restarting is not None:
            raise EngineDead("the engine's process has ended and another one is starting: try again in a moment")
        return self._engine.submit(request, grammar=grammar)

    def observe(self, observer: StepObserver) -> None:
        """Calls ``observer`` after every step, of this engine and of those after it."""
        self._observers.append(observer)
        self._engine.observe(observer)

    def _another(self) -> ProcessService:
        engine = ProcessService(*self._settings, on_death=self._died)
        for observer in self._observers:
            engine.observe(observer)
        return engine

    def _died(self, line: str) -> None:
        now = time.monotonic()
        self._deaths.append(now)
        while now - self._deaths[0] > WITHIN_SECONDS:
            self._deaths.popleft()
        if not self._restarts or self._draining:
            self._give_up(line)
        elif len(self._deaths) > MOST_DEATHS:
            self._give_up(f"{line}; that was death {len(self._deaths)} within {WITHIN_SECONDS:.0f} s, so it is over")
        else:
            LOG.error("%s; starting another", line)
            self._engine = self._another()
            self._restarting = asyncio.get_running_loop().create_task(self._restart())

    async def _restart(self) -> None:
        engine = self._engine
        try:
            await engine.start()
        except (OctavoError, OSError, RuntimeError, MemoryError) as error:
            await engine.stop()
            self._give_up(f"the engine has died and could not be started again: {error}")
            return
        self._restarting = None
        LOG.warning("the engine runs again, in process %s", engine.pid)

    def _give_up(self, line: str) -> None:
        if not self.over.done():
            self.over.set_result(line)
