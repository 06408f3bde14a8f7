"""Compiles grammars beside the engine's steps: checked in a process first, which is killed when it takes too long.

    ask -> in memory? -> Grammar
        -> waiting -> checker process, within SECONDS -> compiled in a thread -> bell -> collect

Only what the checker could compile within its time and memory is compiled here, so this process neither stalls nor
falls with a grammar. The last ``MOST_KEPT`` are kept in memory; nothing is written to a disk.
"""

import contextlib
import logging
import os
import queue
import select
import subprocess
import sys
import threading
import time
from collections import OrderedDict

from octavo.errors import OctavoError, OverCapacity, RequestError
from octavo.server.backend.grammar import GrammarSpec
from octavo.server.backend.grammar_matching import Grammar, Matchers, Pieces
from octavo.server.backend.link import Deframer, LinkBroken, Message, framed
from octavo.tokenizer import Tokenizer

LOG = logging.getLogger("octavo.engine")
SECONDS = 2.0
SECONDS_TO_START = 60.0
MOST_KEPT = 32
MOST_WAITING = 64
LONGEST_SOURCE = 2**17

Result = Grammar | OctavoError


class Compiler:
    """Compiles for one model; all but its own thread call it from one thread. ``bell`` can be read when some are done.

    ``seconds`` is what one grammar may take.
    """

    def __init__(self, pieces: Pieces, tokenizer: Tokenizer | None, *, seconds: float = SECONDS) -> None:
        self._checker = Checker(pieces, seconds=seconds)
        self._pieces = pieces
        self._tokenizer = tokenizer
        self._matchers: Matchers | None = None
        self._kept: OrderedDict[GrammarSpec, Grammar] = OrderedDict()
        self._waiting: queue.Queue[tuple[str, GrammarSpec]] = queue.Queue(MOST_WAITING)
        self._done: queue.SimpleQueue[tuple[str, GrammarSpec, Result]] = queue.SimpleQueue()
        self.bell, self._rope = os.pipe()
        os.set_blocking(self.bell, False)
        os.set_blocking(self._rope, False)
        self._thread: threading.Thread | None = None

    def ask(self, name: str, spec: GrammarSpec) -> Grammar | None:
        """A grammar that is at hand, or None: then ``collect`` gives it by ``name``.

        Raises RequestError for one that is too long, OverCapacity where too many wait.
        """
        kept = self._kept.get(spec)
        if kept is not None:
            self._kept.move_to_end(spec)
            return kept
        size = len(spec.source.encode("utf-8", "surrogatepass"))
        if size > LONGEST_SOURCE:
            raise RequestError(f"the grammar is {size} bytes long: want at most {LONGEST_SOURCE}")
        try:
            self._waiting.put_nowait((name, spec))
        except queue.Full:
            raise OverCapacity(f"{MOST_WAITING} grammars wait to be compiled: try again in a moment") from None
        if self._thread is None:
            self._thread = threading.Thread(target=self._compile_all, name="grammars", daemon=True)
            self._thread.start()
        return None

    def collect(self) -> list[tuple[str, Result]]:
        """What has been done since the last call: by name a grammar, or why there is none."""
        with contextlib.suppress(BlockingIOError):
            while os.read(self.bell, 4096):
                pass
        found: list[tuple[str, Result]] = []
        while not self._done.empty():
            name, spec, result = self._done.get()
            if isinstance(result, Grammar):
                self._kept[spec] = result
                while len(self._kept) > MOST_KEPT:
                    self._kept.popitem(last=False)
            found.append((name, result))
        return found

    def _compile_all(self) -> None:
        while True:
            name, spec = self._waiting.get()
            try:
                result: Result = self._compile(spec)
            except OctavoError as error:
                result = error
            except BaseException as error:  # llguidance's panics are no Exceptions
                LOG.exception("a grammar could not be compiled")
                result = OctavoError(f"this is a bug: {type(error).__name__} while a grammar was compiled")
            self._done.put((name, spec, result))
            with contextlib.suppress(BlockingIOError):  # a full pipe rings well enough
                os.write(self._rope, b"!")

    def _compile(self, spec: GrammarSpec) -> Grammar:
        self._checker.check(spec)
        if self._matchers is None:
            self._matchers = Matchers(self._pieces, self._tokenizer)
        return self._matchers.compile(spec)


class Checker:
    """The process that tries grammars; started when first needed, and anew after one that it did not survive."""

    def __init__(self, pieces: Pieces, *, seconds: float) -> None:
        self._pieces = pieces
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._deframer = Deframer()

    def check(self, spec: GrammarSpec) -> None:
        """Raises RequestError for a grammar that cannot be used or takes too long."""
        process = self._started()
        try:
            self._send(process, ["check", spec.kind, spec.source])
            reason = self._hear(process, self._seconds)
        except (LinkBroken, OSError):
            self.stop()
            raise RequestError("the grammar needs too much memory: simplify it") from None
        if reason is None:
            self.stop()
            raise RequestError(f"the grammar takes longer than {self._seconds:g} s to compile: simplify it")
        if reason:
            raise RequestError(reason)

    def stop(self) -> None:
        """Ends the process, whatever it does."""
        if self._process is not None:
            self._process.kill()
            self._process.communicate()
            self._process = None

    def _started(self) -> "subprocess.Popen[bytes]":
        if self._process is None or self._process.poll() is not None:
            self.stop()
            self._deframer = Deframer()
            self._process = subprocess.Popen(
                [sys.executable, "-m", "octavo.server.backend.grammar_checker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,  # a panic writes there, with the grammar in it
            )
            pieces = self._pieces
            told = ["pieces", list(pieces.pieces), sorted(pieces.control_ids), list(pieces.eos_ids), pieces.bos_id]
            self._send(self._process, told)
            # Its start is not the grammar's fault: it has answered something before time is counted.
            self._send(self._process, ["check", "regex", "a"])
            if self._hear(self._process, SECONDS_TO_START) is None:
                raise LinkBroken("the process that checks grammars does not start")
        return self._process

    @staticmethod
    def _send(process: "subprocess.Popen[bytes]", message: Message) -> None:
        assert process.stdin is not None
        process.stdin.write(framed(message))
        process.stdin.flush()

    def _hear(self, process: "subprocess.Popen[bytes]", seconds: float) -> str | None:
        """The answer; None when it does not come in time, LinkBroken when the process has ended."""
        assert process.stdout is not None
        until = time.monotonic() + seconds
        while True:
            readable, _, _ = select.select([process.stdout], [], [], max(0.0, until - time.monotonic()))
            if not readable:
                return None
            received = os.read(process.stdout.fileno(), 2**16)
            if not received:
                raise LinkBroken("the process that checks grammars has ended")
            for message in self._deframer.feed(received):
                return str(message[1])
