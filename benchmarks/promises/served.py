"""A real server for a promise: ``octavo serve`` with octavo-mini on a free port, and what can be asked of it."""

import contextlib
import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

HOST = "127.0.0.1"
READY = re.compile(r"http://127\.0\.0\.1:(\d+)")
SECONDS_TO_START = 120


class Served:
    """One server that runs; ``log`` is the file with all that it printed."""

    def __init__(self, child: "subprocess.Popen[str]", port: int, log: Path) -> None:
        self.child = child
        self.port = port
        self.log = log

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://{HOST}:{self.port}"

    @property
    def alive(self) -> bool:
        """Whether its process runs."""
        return self.child.poll() is None

    @property
    def listens(self) -> bool:
        """Whether a connection can be made."""
        with contextlib.suppress(OSError), socket.create_connection((HOST, self.port), 5):
            return True
        return False

    def connect(self, timeout: float = 60) -> http.client.HTTPConnection:
        """A connection that stays open between requests."""
        return http.client.HTTPConnection(HOST, self.port, timeout=timeout)

    def ask(self, path: str, body: object = None, timeout: float = 60) -> tuple[int, Any]:
        """The status and the JSON (or text) of one answer; POST where there is a body."""
        connection = self.connect(timeout)
        try:
            sent = None if body is None else json.dumps(body)
            headers = {} if sent is None else {"Content-Type": "application/json"}
            connection.request("GET" if sent is None else "POST", path, sent, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        with contextlib.suppress(json.JSONDecodeError):
            return answer.status, json.loads(text)
        return answer.status, text

    def gauge(self, name: str) -> float:
        """One number of /metrics, summed over its labels."""
        _, text = self.ask("/metrics")
        found = re.findall(rf"^{re.escape(name)}(?:{{[^}}]*}})? (\S+)$", text, re.MULTILINE)
        if not found:
            raise LookupError(f"/metrics has no {name}")
        return sum(map(float, found))

    def num_unfreed(self, patience: float = 10) -> float:
        """Requests that still run or wait, and pages of the cache that are still held, after all clients have gone."""
        end = time.monotonic() + patience
        while True:
            held = sum(map(self.gauge, HELD))
            if held == 0 or time.monotonic() > end:
                return held
            time.sleep(0.1)

    @property
    def num_sockets(self) -> int:
        """Sockets that its first process, which speaks HTTP, has open."""
        found = 0
        for each in Path(f"/proc/{self.child.pid}/fd").iterdir():
            # One may be closed while we look.
            with contextlib.suppress(FileNotFoundError):
                found += os.readlink(each).startswith("socket:")
        return found

    def num_sockets_above(self, number: int, patience: float = 40) -> int:
        """How many more than ``number`` are open, after the time that a slow connection may last."""
        end = time.monotonic() + patience
        while self.num_sockets > number and time.monotonic() < end:
            time.sleep(0.2)
        return max(0, self.num_sockets - number)

    def memory(self) -> int:
        """Resident bytes of the server's processes."""
        return sum(resident(pid) for pid in family(self.child.pid))

    def told(self) -> str:
        """All that it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")


HELD = (
    "octavo:num_requests_running",
    "octavo:num_requests_waiting",
    "octavo:kv_blocks_leaked",
    "octavo:kv_cache_usage_perc",
)


@contextlib.contextmanager
def serving(*flags: str, env: dict[str, str] | None = None) -> Iterator[Served]:
    """Serves until the block ends; raises RuntimeError with what was printed where it does not start."""
    with tempfile.TemporaryDirectory(prefix="octavo-promise-") as folder:
        log = Path(folder) / "log"
        call = [sys.executable, "-m", "octavo", "serve", "--port", "0", *flags]
        kept = {name: value for name, value in os.environ.items() if not name.startswith("OCTAVO_")}
        with log.open("w", encoding="utf-8") as file:
            child = subprocess.Popen(
                call, stdout=file, stderr=subprocess.STDOUT, text=True, env=kept | (env or {}), start_new_session=True
            )
        try:
            yield Served(child, wait_for_port(child, log), log)
        finally:
            end(child)


def wait_for_port(child: "subprocess.Popen[str]", log: Path) -> int:
    """The port, once it is announced."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and child.poll() is None:
        found = READY.search(log.read_text(encoding="utf-8", errors="replace"))
        if found:
            return int(found[1])
        time.sleep(0.05)
    raise RuntimeError(f"the server did not start: {log.read_text(encoding='utf-8', errors='replace')[-2000:]}")


def end(child: "subprocess.Popen[str]") -> None:
    """Stops a server and all that it started."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            child.wait(20)
    with contextlib.suppress(ProcessLookupError):
        os.killpg(child.pid, signal.SIGKILL)
    child.wait()


def family(pid: int) -> list[int]:
    """A process and all that came from it."""
    found = [pid]
    with contextlib.suppress(FileNotFoundError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += family(int(child))
    return found


def resident(pid: int) -> int:
    """Resident bytes of one process; 0 where it has ended."""
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return 0
