"""Traffic: how live requests are routed goes into a trace on the disk, in a thread that serving never waits for.

    --trace-dir DIR     DIR/20261124T031500Z-4711.route/ holds what the server with process 4711 read from then on,
                        up to ``MOST_DOCUMENTS`` outputs; then the next one begins

An output is a document named REQUEST#INDEX, its prompt before it, in the domain of its request's kind. The
trace can be read while it is written: what the disk has is whole, and rows come there within ``FLUSH_SECONDS``. A full
disk, or routes that come faster than they are written, lose documents, which are counted, and nothing else.
"""

import logging
import os
import queue
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.recorder import Recorder, Rows
from octavo.analysis.store import TraceWriter
from octavo.errors import TraceError

log = logging.getLogger("octavo.server")

FLUSH_SECONDS = 10.0
# Tokens that may wait for the thread, and tokens that it holds in memory for as long as the disk is full.
MOST_WAITING = 262_144
MOST_HELD = 262_144
# Outputs of one trace, whose names are kept in memory while it is written.
MOST_DOCUMENTS = 100_000
CLOSE_SECONDS = 30.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Passage:
    """One output with its prompt as it goes into the trace: T tokens and how they were routed, -1 for unread ones."""

    domain: str
    name: str
    token_ids: Sequence[int]
    rows: Rows
    num_prompt: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Spelling:
    """What a trace must know of the tokenizer: the control tokens, and what each id spells where tokens are kept."""

    special_ids: frozenset[int] = frozenset()
    bos_id: int | None = None
    pieces: Sequence[bytes] = ()


class Traffic:
    """Records passages into traces in ``folder``, which it makes; ``manifest`` is asked for before the first.

    ``path`` is the trace that is being written. ``counts`` says how many were recorded, which means that the disk has
    them, and how many were lost. Raises TraceError, at once, where the folder cannot be made.
    """

    def __init__(
        self,
        folder: Path,
        manifest: Callable[[], TraceManifest],
        *,
        spelling: Spelling | None = None,
        flush_seconds: float = FLUSH_SECONDS,
        most_waiting: int = MOST_WAITING,
        most_held: int = MOST_HELD,
        most_documents: int = MOST_DOCUMENTS,
    ) -> None:
        self.counts = {"recorded": 0, "lost": 0}
        self._flush_seconds = flush_seconds
        self._most_waiting = most_waiting
        self._queue: queue.SimpleQueue[Passage | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._waiting = 0
        self._closed = False
        bounds = {"most_held": most_held, "most_documents": most_documents}
        self._pen = _Pen(folder, manifest, spelling or Spelling(), self._count, **bounds)
        self._thread = threading.Thread(target=self._run, name="traffic trace", daemon=True)
        self._thread.start()

    @property
    def path(self) -> Path:
        """The trace that is being written, or was last."""
        return self._pen.path

    def put(self, passage: Passage) -> None:
        """Takes a passage to be recorded, and waits for nothing; what there is no room for is lost."""
        size = len(passage.token_ids)
        with self._lock:
            if self._closed or self._waiting + size > self._most_waiting:
                self.counts["lost"] += 1
                return
            self._waiting += size
        self._queue.put(passage)

    def close(self, timeout: float = CLOSE_SECONDS) -> None:
        """Writes what is left, for at most ``timeout`` seconds."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        self._queue.put(None)
        self._thread.join(timeout)
        if self._thread.is_alive():
            log.warning("the trace %s is not written to its end: the disk took more than %g s", self.path, timeout)

    def _count(self, outcome: str, times: int) -> None:
        with self._lock:
            self.counts[outcome] += times

    def _run(self) -> None:
        due = time.monotonic() + self._flush_seconds
        while True:
            left = due - time.monotonic()
            if left <= 0:
                self._pen.flush()
                due = time.monotonic() + self._flush_seconds
                continue
            try:
                passage = self._queue.get(timeout=left)
            except queue.Empty:
                continue
            if passage is None:
                break
            with self._lock:
                self._waiting -= len(passage.token_ids)
            self._pen.record(passage)
        self._pen.close()


class _Pen:
    """Writes passages, on the thread; whatever the disk does, it goes on, and counts what came of each."""

    def __init__(
        self,
        folder: Path,
        manifest: Callable[[], TraceManifest],
        spelling: Spelling,
        count: Callable[[str, int], None],
        *,
        most_held: int,
        most_documents: int,
    ) -> None:
        self.path = _make(folder)
        self._folder, self._manifest, self._spelling, self._count = folder, manifest, spelling, count
        self._most_held, self._most_documents = most_held, most_documents
        self._writer: TraceWriter | None = None
        self._recorder: Recorder | None = None
        # Passages and tokens that only memory has, and whether the disk failed when they were last to be written.
        self._held = self._held_tokens = 0
        self._failing = False
        self._documents = 0

    def record(self, passage: Passage) -> None:
        """Adds a passage to the trace; it is held until the next flush."""
        if self._failing and (self._writer is None or self._held_tokens >= self._most_held):
            self._count("lost", 1)
            return
        try:
            if self._recorder is None:
                self._begin()
            assert self._recorder is not None
            self._recorder.record(
                passage.rows,
                passage.token_ids,
                domain=passage.domain,
                name=passage.name,
                num_prompt=passage.num_prompt,
            )
        except Exception as error:  # a thread that ended here would lose all that comes
            self._fail(error)
            if self._writer is None or not self._writer.has(passage.domain, passage.name):
                self._count("lost", 1)
                return
        self._held += 1
        self._held_tokens += len(passage.token_ids)
        self._documents += 1
        if self._documents >= self._most_documents:
            self._turn()

    def flush(self) -> None:
        """Brings to the disk what only memory has; where it fails, that is tried again."""
        if self._writer is None:
            # The disk may have room by now for a trace to be begun.
            self._failing = False
            return
        if not self._held:
            return
        try:
            self._writer.flush()
        except Exception as error:
            self._fail(error)
            return
        if self._failing:
            log.warning("the trace %s goes on: the disk takes it again", self.path)
        self._failing = False
        self._count("recorded", self._held)
        self._held = self._held_tokens = 0

    def close(self) -> None:
        """Ends the trace; a folder that nothing was written to goes."""
        self.flush()
        self._count("lost", self._held)
        try:
            if self._writer is None:
                self.path.rmdir()
            else:
                self._writer.close()
        except (OSError, TraceError) as error:
            self._fail(error)

    def _turn(self) -> None:
        """Ends a trace that is long enough, once the disk has all of it, and makes the folder of the next."""
        self.flush()
        if self._held or self._writer is None:
            return
        try:
            self._writer.close()
            self.path = _make(self._folder)
        except (OSError, TraceError) as error:
            self._fail(error)
            return
        self._writer = self._recorder = None
        self._documents = 0

    def _begin(self) -> None:
        manifest, spelling = self._manifest(), self._spelling
        # It is flushed from here: a full disk must not be tried again with every document.
        writer = TraceWriter(self.path, manifest, flush_seconds=float("inf"))
        try:
            writer.write_vocabulary(spelling.pieces, spelling.special_ids)
        except BaseException:
            writer.__exit__(*sys.exc_info())
            raise
        self._recorder = Recorder(manifest, writer.add, special_ids=spelling.special_ids, bos_id=spelling.bos_id)
        self._writer = writer

    def _fail(self, error: Exception) -> None:
        if not self._failing:
            told = str(error) if isinstance(error, TraceError) else f"{self.path}: {type(error).__name__}"
            log.warning("the trace of live traffic cannot be written; serving goes on: %s", told)
        self._failing = True


def _make(folder: Path) -> Path:
    """A new folder for a trace, named after the time and the process, which only its owner can read."""
    stamp = f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}-{os.getpid()}"
    try:
        # What was asked can be read from it, so nobody else may look into it.
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for number in range(1, 1000):
            path = folder / (f"{stamp}.route" if number == 1 else f"{stamp}-{number}.route")
            try:
                path.mkdir(mode=0o700)
            except FileExistsError:
                continue
            return path
    except OSError as error:
        raise TraceError(
            f"--trace-dir {folder} cannot be written ({error.strerror}): name a folder that can be"
        ) from None
    raise TraceError(f"--trace-dir {folder} holds 999 traces of this second: name another folder")
