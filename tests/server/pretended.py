"""A Service without a second process: an engine in a thread, for tests of the HTTP side.

async with pretended_service(tiny()) as service:
    submission = service.submit(request([1, 2, 3]))
"""

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from octavo.engine.admission import check_request
from octavo.engine.config import EngineConfig
from octavo.engine.request import Progress, Request
from octavo.errors import RequestError
from octavo.model import Transformer
from octavo.server.backend.desk import Desk
from octavo.server.backend.driver import Driver
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.service import (
    EngineDead,
    ServiceFacts,
    ServiceLoad,
    State,
    StepObserver,
    StepReport,
    Submission,
)


class PretendedService:
    """Drives an engine in a thread of its own; ``state`` may be set, ``kill`` ends the engine as a crash would.

    ``slow`` seconds are waited after each step.
    """

    def __init__(
        self, model: Transformer, config: EngineConfig, *, eos_token_ids: frozenset[int], slow: float = 0.0
    ) -> None:
        self.state: State = "ready"
        self.load = ServiceLoad()
        self.slow = slow
        self._driver = Driver(model, config)
        engine = self._driver.engine
        self.facts = ServiceFacts(
            model_name="pretended",
            config=model.config,
            dtype="float32",
            device="cpu",
            max_model_len=engine.max_model_len,
            max_num_seqs=config.max_num_seqs,
            max_num_batched_tokens=config.max_num_batched_tokens,
            max_logprobs=config.max_logprobs,
            page_size=config.page_size,
            num_pages=engine.pool.total,
            eos_token_ids=eos_token_ids,
            load_seconds=0.0,
        )
        self._loop = asyncio.get_running_loop()
        self._observers: list[StepObserver] = []
        self._jobs: queue.SimpleQueue[Callable[[], None] | None] = queue.SimpleQueue()
        self._desk = Desk(lambda request_id, index: self._jobs.put(lambda: self._driver.abort(request_id, index)))
        self._thread = threading.Thread(target=self._run, name="pretended engine")
        self._thread.start()

    def check(self, request: Request) -> None:
        check_request(request, self.facts.bounds)

    def submit(self, request: Request, *, grammar: GrammarSpec | None = None) -> Submission:
        if self.state == "dead":
            raise EngineDead("the engine is dead")
        assert grammar is None, "the pretended engine knows no grammars"
        pending = self._desk.open(request)
        self._jobs.put(lambda: self._add(request))
        return pending

    def observe(self, observer: StepObserver) -> None:
        self._observers.append(observer)

    def kill(self) -> None:
        """Ends the engine; whoever waits gets EngineDead."""
        self.state = "dead"
        self._jobs.put(None)
        self._desk.fail_all(lambda: EngineDead("the engine was killed"))

    async def aclose(self) -> None:
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _add(self, request: Request) -> None:
        try:
            self._driver.add(request)
        except RequestError as error:
            self._tell(self._desk.fail, request.request_id, error)

    def _run(self) -> None:
        while True:
            while not (self._driver.busy and self._jobs.empty()):
                job = self._jobs.get()
                if job is None:
                    return
                job()
                self._tell(self._settle, self._driver.load)
            said, report = self._driver.step()
            for progress in said:
                if progress.routing is not None:
                    progress.routing.arrays()
            self._tell(self._hand_out, said, report)
            if self.slow:
                threading.Event().wait(self.slow)

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(what, *args)

    def _settle(self, load: ServiceLoad) -> None:
        self.load = load

    def _hand_out(self, said: list[Progress], report: StepReport | None) -> None:
        self._desk.hand_out(said)
        if report is not None:
            self.load = report.load
            for observer in self._observers:
                observer(report)


@asynccontextmanager
async def pretended_service(
    model: Transformer,
    *,
    eos_token_ids: frozenset[int] = frozenset(),
    slow: float = 0.0,
    **limits: int,
) -> AsyncIterator[PretendedService]:
    """An engine of small pages in a thread, ended when the block is left."""
    config = EngineConfig(**{"page_size": 4, "num_pages": 400, **limits})  # type: ignore[arg-type]
    service = PretendedService(model, config, eos_token_ids=eos_token_ids, slow=slow)
    try:
        yield service
    finally:
        await service.aclose()
