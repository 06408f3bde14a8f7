"""Servers are told to stop amid their work."""

import http.client
import json
import random
import signal
import threading
import time

from benchmarks.promises.deaths import running
from benchmarks.promises.honest import percentile
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import Served, family, serving

STREAMS = 6
SECONDS_TO_DRAIN = 60


class Stream:
    """One streamed answer, read to its end in a thread; ``text`` is all of it."""

    def __init__(self, served: Served, max_tokens: int) -> None:
        self._connection = served.connect()
        asked = {"prompt": "Once upon a time", "max_tokens": max_tokens, "stream": True, "ignore_eos": True}
        self._connection.request("POST", "/v1/completions", json.dumps(asked), {"content-type": "application/json"})
        self._answer = self._connection.getresponse()
        self.text = self._answer.readline().decode()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        try:
            self.text += self._answer.read().decode()
        except (OSError, http.client.HTTPException):
            self.text += "CUT"
        self._connection.close()

    def whole(self) -> bool:
        """Whether it came to its own end."""
        self._thread.join(SECONDS_TO_DRAIN)
        return '"finish_reason":"length"' in self.text and self.text.endswith("data: [DONE]\n\n")


def one_drain(draw: random.Random) -> tuple[bool, float]:
    """Whether a server that was told to stop did all that it should, and how long it took after the last answer."""
    with serving("--shutdown-timeout", str(SECONDS_TO_DRAIN)) as served:
        streams = [Stream(served, draw.randint(50, 300)) for _ in range(STREAMS)]
        time.sleep(draw.random() * 0.5)
        everybody = family(served.child.pid)
        served.child.send_signal(draw.choice((signal.SIGTERM, signal.SIGINT)))
        time.sleep(0.05)
        refused = True
        if served.alive and any('finish_reason":"length' not in stream.text for stream in streams):
            try:
                refused = served.ask("/v1/completions", {"prompt": "a", "max_tokens": 1}, timeout=10)[0] == 503
            except OSError:
                refused = True  # it had ended by then
        whole = all([stream.whole() for stream in streams])
        ended = time.monotonic()
        code = served.child.wait(SECONDS_TO_DRAIN)
        seconds = time.monotonic() - ended
        orphans = [pid for pid in everybody if running(pid)]
        return whole and refused and code == 0 and not orphans and "Traceback" not in served.told(), seconds


def drains(scale: float, seed: int) -> Promise:
    """A server with six streams is told to stop, by SIGTERM or Ctrl-C: the streams come to their own end, new requests
    get 503, it exits with 0 and leaves no process."""
    draw = random.Random(seed)
    tried = count(50, scale)
    found = [one_drain(draw) for _ in range(tried)]
    ended = sorted(seconds for _, seconds in found)
    return Promise(
        name="drains",
        tried=tried,
        failed=sum(not well for well, _ in found),
        detail={"exit_after_last_answer_median_s": round(percentile(ended, 0.5), 2)},
    )


PROMISES = (drains,)
