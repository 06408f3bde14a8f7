"""The engine's process: opens the model, then steps for as long as there is something to do, and listens in between.

    python -m octavo.server.backend.engine_main LINK LIFELINE

LINK and LIFELINE are descriptors that it inherits: its end of the link, and a pipe on which nobody ever writes. Its
parent holds the other end of that pipe, so when the parent is gone, however it went, the process ends at once.
"""

import contextlib
import dataclasses
import functools
import gc
import logging
import os
import signal
import socket
import sys
import threading
import time
import traceback
from collections.abc import Callable

from octavo.api.opening import use_one_thread_if_small
from octavo.engine.config import EngineConfig
from octavo.engine.request import Progress, Request
from octavo.errors import OctavoError, RequestError
from octavo.server.backend.compiling import Compiler, Result
from octavo.server.backend.driver import Driver
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.grammar_matching import Pieces
from octavo.server.backend.link import BlockingLink, LinkBroken, Message, MessageTooLong
from octavo.server.backend.loading import Loaded, load
from octavo.server.backend.service import ServiceFacts, StepReport
from octavo.server.backend.wire import (
    facts_to_plain,
    grammar_of,
    load_to_plain,
    progress_to_plain,
    report_to_plain,
    request_of,
)
from octavo.server.logs import log_to_stderr
from octavo.server.settings import ModelSettings

# How the process ends when nobody is left to hear why.
ORPHANED = 75
FAILED = 70


class Room:
    """The loop between the link, the driver and, where the model has a tokenizer, the compiler of grammars."""

    def __init__(self, link: BlockingLink, driver: Driver, compiler: Compiler | None) -> None:
        self._link = link
        self._driver = driver
        self._compiler = compiler
        # Requests whose grammar is being compiled.
        self._compiling: dict[str, Request] = {}

    def run(self) -> None:
        """Serves until it is told to stop; raises LinkBroken when nobody listens any more."""
        bell = None if self._compiler is None else self._compiler.bell
        while True:
            messages = self._link.receive(wait=not self._driver.busy, also=bell)
            for message in messages:
                if message[0] == "stop":
                    return
                self._handle(message)
            self._take_compiled()
            if self._driver.busy:
                said, report = self._driver.step()
                self._tell(said, report)
                if report is None:
                    self._link.send(["load", load_to_plain(self._driver.load)])
            elif messages:
                self._link.send(["load", load_to_plain(self._driver.load)])

    def _tell(self, said: list[Progress], report: StepReport | None) -> None:
        """Hands on what a step did, a request at a time where that is too much for one message."""
        plain = [progress_to_plain(progress) for progress in said]
        step = None if report is None else report_to_plain(report)
        try:
            self._link.send(["said", plain, step])
        except MessageTooLong:
            for progress, each in zip(said, plain, strict=True):
                try:
                    self._link.send(["said", [each], None])
                except MessageTooLong as error:
                    self._driver.abort(progress.request_id)
                    self._link.send(["refused", progress.request_id, "OctavoError", f"too much came of it: {error}"])
            self._link.send(["said", [], step])

    def _handle(self, message: Message) -> None:
        match message:
            case ["add", plain, grammar]:
                self._refusing(plain[0], lambda: self._add(request_of(plain), grammar_of(grammar)))
            case ["abort", str(request_id), index]:
                if index is None:
                    self._compiling.pop(request_id, None)
                self._driver.abort(request_id, index)
            case _:
                raise LinkBroken(f"a message is called {message[0]!r:.40}: want add, abort or stop")

    def _add(self, request: Request, spec: GrammarSpec | None) -> None:
        if spec is None:
            self._driver.add(request)
            return
        if self._compiler is None:
            raise RequestError("this model has no tokenizer, so no grammar can be kept to: leave it out")
        self._driver.check(request)
        grammar = self._compiler.ask(request.request_id, spec)
        if grammar is None:
            self._compiling[request.request_id] = request
        else:
            self._driver.add(dataclasses.replace(request, constraint=grammar))

    def _take_compiled(self) -> None:
        if self._compiler is None or not self._compiling:
            return
        for name, result in self._compiler.collect():
            request = self._compiling.pop(name, None)
            if request is not None:
                self._refusing(name, functools.partial(self._add_compiled, request, result))

    def _add_compiled(self, request: Request, result: Result) -> None:
        if isinstance(result, OctavoError):
            raise result
        self._driver.add(dataclasses.replace(request, constraint=result))

    def _refusing(self, name: str, act: Callable[[], None]) -> None:
        """Does it, or says to the other side why not: whatever is wrong with one request is no other's concern."""
        try:
            act()
        except LinkBroken:
            raise
        except OctavoError as error:
            self._link.send(["refused", name, type(error).__name__, str(error)])
        except Exception as error:
            traceback.print_exc()
            self._link.send(["refused", name, "OctavoError", f"this is a bug: {type(error).__name__}: {error}"])


def facts_of(loaded: Loaded, driver: Driver, settings: ModelSettings, *, seconds: float) -> ServiceFacts:
    """What was opened, in numbers."""
    engine = driver.engine
    weight = loaded.model.tok_embeddings.weight
    return ServiceFacts(
        model_name=settings.name,
        config=loaded.model.config,
        dtype=str(weight.dtype).removeprefix("torch."),
        device=str(weight.device),
        max_model_len=engine.max_model_len,
        max_num_seqs=engine.config.max_num_seqs,
        max_num_batched_tokens=engine.config.max_num_batched_tokens,
        max_logprobs=engine.config.max_logprobs,
        page_size=engine.config.page_size,
        num_pages=engine.pool.total,
        eos_token_ids=loaded.eos_token_ids,
        load_seconds=seconds,
    )


def open_room(link: BlockingLink) -> Room:
    """Opens what the first message names and says what it is."""
    began = time.perf_counter()
    ((name, model, engine), *_) = link.receive(wait=True)
    assert name == "open", "the first message opens"
    settings = ModelSettings(**model)
    limits = EngineConfig(**engine)
    loaded = load(settings, limits, planned=lambda plan: print(f"octavo: {plan.line()}", file=sys.stderr, flush=True))
    driver = Driver(loaded.model, limits)
    use_one_thread_if_small(loaded.model.config, driver.engine.runner.device)
    # What lives as long as the process is not looked through again at every collection.
    gc.collect()
    gc.freeze()
    seconds = time.perf_counter() - began
    link.send(["ready", facts_to_plain(facts_of(loaded, driver, settings, seconds=seconds))])
    return Room(link, driver, compiler_of(loaded))


def compiler_of(loaded: Loaded) -> Compiler | None:
    """What compiles grammars over the model's tokens; None where nobody knows their texts."""
    if loaded.tokenizer is None:
        return None
    vocab_size = loaded.model.config.vocab_size
    pieces = Pieces.of(loaded.tokenizer, sorted(loaded.eos_token_ids), vocab_size=vocab_size)
    return Compiler(pieces, loaded.tokenizer)


def end_with_parent(lifeline: int) -> None:
    """Ends the process when the pipe's other end is closed: even amid a step, or while a model loads."""

    def wait() -> None:
        with contextlib.suppress(OSError):
            while os.read(lifeline, 1):
                pass
        os._exit(ORPHANED)

    threading.Thread(target=wait, name="lifeline", daemon=True).start()


def main(link_descriptor: int, lifeline: int) -> int:
    """Runs the process; returns its exit code."""
    # Its parent says when it is time: a Ctrl-C, or a service manager's signal to all, must not cut running requests.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    end_with_parent(lifeline)
    log_to_stderr(logging.getLogger("octavo"))
    link = BlockingLink(socket.socket(fileno=link_descriptor))
    try:
        room = open_room(link)
    except LinkBroken:
        return ORPHANED
    except Exception as error:
        if not isinstance(error, OctavoError | MemoryError | OSError):
            traceback.print_exc()
        with contextlib.suppress(LinkBroken):
            link.send(["failed", type(error).__name__, str(error)])
        return FAILED
    try:
        room.run()
    except LinkBroken as error:
        # Mostly the parent was ended first and nobody reads this; where it was not, this is why the engine did.
        logging.getLogger("octavo.server").warning("the engine ends: %s", error)
        return ORPHANED
    return 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2])))
