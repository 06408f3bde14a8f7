"""Files of answers in OpenAI's batch format: a line is written at once and whole, and a torn last one is taken back.

    {"id": "batch_req_3_9f86d081884c", "custom_id": "a", "error": null,
     "response": {"status_code": 200, "request_id": ..., "body": {...}}}

Answers come in the order in which they are ready. A line that was never a request has ``response`` null and says why in
``error``; one that the server refused has the server's status and error body in ``response``.
"""

import fcntl
import json
import os
import re
from pathlib import Path
from typing import Any, Self

from octavo.client.batch_lines import BatchLine
from octavo.errors import RequestError

KEY = re.compile(r"batch_req_(\d+)_[0-9a-f]{12}")


class BatchAnswers:
    """The file that answers are added to; a context manager that keeps a second run away from it.

    ``done`` is the key of each line number that has its answer.
    """

    def __init__(self, path: Path, *, overwrite: bool = False) -> None:
        self.path = path
        self.done: dict[int, str] = {}
        self.failed = 0
        self._overwrite = overwrite
        self._file = -1

    def __enter__(self) -> Self:
        self._file = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if self._overwrite:
                os.ftruncate(self._file, 0)
            self._read()
        except BlockingIOError:
            os.close(self._file)
            raise RequestError(
                f"{self.path} is being written by another run: wait for it, or give another -o"
            ) from None
        except BaseException:
            os.close(self._file)
            raise
        return self

    def __exit__(self, *_: object) -> None:
        os.fsync(self._file)
        os.close(self._file)

    def add(self, line: BatchLine, *, response: dict[str, Any] | None, error: dict[str, Any] | None = None) -> None:
        """Writes one answer."""
        answer = {"id": line.key, "custom_id": line.custom_id, "response": response, "error": error}
        remaining = memoryview(json.dumps(answer).encode() + b"\n")
        while remaining:  # a pipe or a full disk may take only a part
            remaining = remaining[os.write(self._file, remaining) :]
        self._note(line.number, line.key, response, error)

    def check(self, line: BatchLine) -> bool:
        """Whether a line has its answer; raises RequestError where the answer is to a line that stood there before."""
        key = self.done.get(line.number)
        if key is not None and key != line.key:
            raise RequestError(
                f"{self.path} answers another line {line.number} than the one that is there now: "
                "give another -o, or --overwrite to begin anew"
            )
        return key is not None

    def _read(self) -> None:
        """Takes in what earlier runs answered, and cuts off what kill -9 or a full disk left unfinished."""
        whole = 0
        with open(self.path, "rb") as file:
            for raw in file:
                if not raw.endswith(b"\n"):
                    break
                self._take(raw)
                whole += len(raw)
        os.ftruncate(self._file, whole)

    def _take(self, raw: bytes) -> None:
        try:
            answer = json.loads(raw)
            match = KEY.fullmatch(answer["id"])
            response, error = answer["response"], answer["error"]
        except (ValueError, KeyError, TypeError):
            match = None
        if match is None:
            raise RequestError(
                f"{self.path} holds a line that is no answer of octavo run-batch: give another -o, or --overwrite"
            )
        self._note(int(match[1]), match[0], response, error)

    def _note(self, number: int, key: str, response: dict[str, Any] | None, error: dict[str, Any] | None) -> None:
        self.done[number] = key
        self.failed += error is not None or response is None or response.get("status_code") != 200
