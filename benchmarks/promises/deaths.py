"""The engine's process is killed at random moments, and servers are stopped amid their work."""

import contextlib
import http.client
import json
import os
import random
import signal
import threading
import time
from pathlib import Path

from benchmarks.promises.honest import percentile
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import Served, family, serving

SECONDS_TO_NOTICE = 2.0
SECONDS_TO_SERVE = 120.0
ENGINE_DIED = 5
CLIENTS = 8


class Clients:
    """Clients that stream one answer after another until ``stop``; when each last heard something, and how it ended."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._stopped = threading.Event()
        self.ended: list[tuple[float, str]] = []
        self._threads = [threading.Thread(target=self._ask, args=(place,), daemon=True) for place in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def stop(self, within: float) -> int:
        """How many have not ended ``within`` seconds: they hang."""
        self._stopped.set()
        until = time.monotonic() + within
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))
        return sum(thread.is_alive() for thread in self._threads)

    def _ask(self, place: int) -> None:
        body = {"prompt": f"{place} Once", "max_tokens": 300, "stream": place % 2 == 0, "ignore_eos": True}
        while not self._stopped.is_set():
            how = "refused"
            connection = self._served.connect(timeout=60)
            with contextlib.suppress(OSError, http.client.HTTPException):
                connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
                text = connection.getresponse().read().decode()
                how = "error" if '"error"' in text else "whole" if '"finish_reason":"length"' in text else "cut"
            connection.close()
            self.ended.append((time.monotonic(), how))
            if how != "whole":
                self._stopped.wait(0.05)


def engine_of(served: Served) -> int | None:
    """The engine's process, while there is one."""
    for pid in family(served.child.pid):
        with contextlib.suppress(OSError):
            if "octavo.server.backend.engine_main" in Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8"):
                return pid
    return None


def kill_engine(served: Served) -> float:
    """Kills it; when that was."""
    engine = engine_of(served)
    assert engine is not None
    os.kill(engine, signal.SIGKILL)
    return time.monotonic()


def wait_until_it_serves(served: Served) -> float:
    """Seconds until it answers again; raises RuntimeError when it does not."""
    began = time.monotonic()
    while time.monotonic() - began < SECONDS_TO_SERVE:
        with contextlib.suppress(OSError, http.client.HTTPException):
            if served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1}, timeout=30)[0] == 200:
                return time.monotonic() - began
        time.sleep(0.1)
    raise RuntimeError("it does not serve again")


def one_kill(served: Served, draw: random.Random) -> tuple[bool, float]:
    """Whether every client heard of a death in time, and when the last of those that waited did."""
    clients = Clients(served)
    time.sleep(draw.random() * 1.5)
    killed = kill_engine(served)
    time.sleep(SECONDS_TO_NOTICE)
    # Whoever waited at that moment has been told by now, and so has everybody who asked since.
    hanging = clients.stop(within=1.0)
    heard = [when - killed for when, how in clients.ended if when > killed and how == "error"]
    return hanging == 0, min(max(heard, default=0.0), SECONDS_TO_NOTICE)


def engine_kills(scale: float, seed: int) -> Promise:
    """The engine's process is killed at random moments, half of the times with --on-engine-death exit, half with
    restart: no client hangs for longer than 2 s; the server ends with its own exit code, or serves again."""
    draw = random.Random(seed)
    tried, failed = count(50, scale), 0
    restarted: list[float] = []
    left = (tried + 1) // 2
    while left > 0:
        # Five deaths in a minute would be no accident, so a server is spared after four.
        with serving("--on-engine-death", "restart") as served:
            for _ in range(min(4, left)):
                left -= 1
                told, _ = one_kill(served, draw)
                restarted.append(wait_until_it_serves(served))
                failed += not told
            failed += "Traceback" in served.told()
    for _ in range(tried // 2):
        with serving("--on-engine-death", "exit") as served:
            told, _ = one_kill(served, draw)
            with contextlib.suppress(Exception):
                served.child.wait(10)
            last = served.told().strip().splitlines()[-1]
            failed += not (told and served.child.returncode == ENGINE_DIED and "has died" in last)
    detail = {"serves_again_median_s": round(percentile(sorted(restarted), 0.5), 2)} if restarted else {}
    return Promise(name="engine kills", tried=tried, failed=failed, detail=detail)


def parents_killed(scale: float, seed: int) -> Promise:
    """The server's own process is killed amid work: its engine's process is gone within 5 s."""
    draw = random.Random(seed)
    tried, failed = count(10, scale), 0
    for _ in range(tried):
        with serving() as served:
            clients = Clients(served)
            time.sleep(draw.random())
            everybody = family(served.child.pid)
            served.child.kill()
            until = time.monotonic() + 5
            while any(map(running, everybody)) and time.monotonic() < until:
                time.sleep(0.02)
            failed += any(map(running, everybody))
            failed += clients.stop(within=5) > 0
    return Promise(name="parents killed", tried=tried, failed=failed)


def running(pid: int) -> bool:
    """Whether a process runs; one that nobody has buried yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


PROMISES = (engine_kills, parents_killed)
