"""A folder's own chat template, rendered in a process of its own with a limit on time, memory and length.

A model folder is data: its template may loop for ever or fill the memory by mistake or on purpose. The process starts
with the first conversation, serves those that follow, and ends with this object.
"""

import contextlib
import json
import os
import subprocess
import sys
import threading
import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from octavo.errors import OctavoError, RequestError, TokenizerError

MAX_SOURCE_CHARACTERS = 250_000
MAX_RENDERED_CHARACTERS = 16_000_000
MAX_BYTES = 1 << 30
START_LIMIT_S = 10.0
RENDER_LIMIT_S = 2.0

_WORKER = Path(__file__).with_name("template_worker.py")


class ChatTemplate:
    """A Jinja template that turns messages into text.

    ``where`` names it in errors. Raises TokenizerError if the template is too long; whether it compiles is known with
    the first conversation.
    """

    __slots__ = ("__weakref__", "_finalizer", "_limit_s", "_lock", "_owner", "_source", "_worker", "where")

    def __init__(self, source: str, *, where: str, limit_s: float = RENDER_LIMIT_S) -> None:
        if len(source) > MAX_SOURCE_CHARACTERS:
            raise TokenizerError(
                f"{where}: a chat template of {len(source)} characters was found, at most {MAX_SOURCE_CHARACTERS} were "
                "wanted; use a shorter one"
            )
        self.where = where
        self._source = source
        self._limit_s = limit_s
        self._lock = threading.Lock()
        self._worker: subprocess.Popen[bytes] | None = None
        self._finalizer: weakref.finalize[..., ChatTemplate] | None = None
        self._owner = os.getpid()

    def speaks_of(self, name: str) -> bool:
        """Says whether the template looks at a variable of this name at all."""
        return name in self._source

    def render(self, variables: Mapping[str, Any]) -> str:
        """Gives the text of a conversation. Raises RequestError if the template does not take it, TokenizerError if the
        template cannot be compiled, does what the sandbox forbids, or passes a limit."""
        with self._lock:
            if self._worker is None or self._owner != os.getpid() or self._worker.poll() is not None:
                self._start()
            reply = self._ask(variables, self._limit_s)
        if "text" not in reply:
            raise self._error(reply)
        return str(reply["text"])

    def close(self) -> None:
        """Ends the process; another conversation would start it again."""
        if self._finalizer is not None and self._owner == os.getpid():
            self._finalizer()
        self._worker = None

    def _start(self) -> None:
        self.close()
        # -P: the folder of the script, ours, is no place to import from.
        self._worker = subprocess.Popen(
            [sys.executable, "-P", str(_WORKER)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self._owner = os.getpid()
        self._finalizer = weakref.finalize(self, _end, self._worker)
        limits = {"max_bytes": MAX_BYTES, "max_characters": MAX_RENDERED_CHARACTERS}
        reply = self._ask({"source": self._source, **limits}, START_LIMIT_S)
        if reply:
            self.close()
            raise self._error(reply)

    def _ask(self, question: Mapping[str, Any], limit_s: float) -> dict[str, str]:
        """Sends one line and waits for one; a process that takes longer than ``limit_s`` is killed."""
        worker = self._worker
        assert worker is not None and worker.stdin is not None and worker.stdout is not None
        late = threading.Event()

        def stop() -> None:
            late.set()
            worker.kill()

        timer = threading.Timer(limit_s, stop)
        timer.start()
        try:
            worker.stdin.write(json.dumps(question).encode() + b"\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
        except BrokenPipeError:
            line = b""
        finally:
            timer.cancel()
        if not line.endswith(b"\n"):
            self.close()
            return {"kind": "time", "error": f"{limit_s:g}"} if late.is_set() else {"kind": "size", "error": ""}
        reply: dict[str, str] = json.loads(line)
        return reply

    def _error(self, reply: Mapping[str, str]) -> OctavoError:
        kind, said = reply["kind"], one_line(reply["error"])
        if kind == "refused":
            return RequestError(f"the chat template does not take these messages: {said}")
        if kind == "failed":
            return RequestError(
                f"the chat template failed with {said}; give the messages that it expects, or see {self.where}"
            )
        found = {
            "syntax": f"a chat template that does not compile ({said})",
            "unsafe": f"a chat template that reaches out of its sandbox ({said})",
            "time": f"a chat template that takes more than {said} s",
            "size": "a chat template that writes or needs too much",
        }[kind]
        return TokenizerError(f"{self.where}: {found} was found, a plain one was wanted; correct or remove it")


def _end(worker: subprocess.Popen[bytes]) -> None:
    worker.kill()
    worker.wait()
    for pipe in (worker.stdin, worker.stdout):
        if pipe is not None:
            with contextlib.suppress(BrokenPipeError):  # a line that was never read
                pipe.close()


def one_line(text: str, limit: int = 200) -> str:
    """Gives ``text`` on one line, without characters that could steer a terminal, cut to ``limit`` characters."""
    flat = " ".join(text.split())
    return "".join(char if char.isprintable() else "\ufffd" for char in flat)[:limit]
