"""An honest client in a process of its own: asks for a few tokens again and again, and writes down how long it took.

python -m benchmarks.promises.honest PORT     one line of JSON for each request: when it began, seconds, status
"""

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.promises.served import HOST, Served

BODY = json.dumps({"prompt": "Once upon a time", "max_tokens": 4, "temperature": 0})
PAUSE = 0.02
ROOT = Path(__file__).parent.parent.parent


class Honest:
    """What it has seen so far."""

    def __init__(self, child: "subprocess.Popen[str]") -> None:
        self._child = child
        self.seen: list[tuple[float, float, int]] = []

    def stop(self) -> None:
        """Ends it and reads what it wrote."""
        self._child.terminate()
        written, _ = self._child.communicate()
        self.seen = [tuple(json.loads(line)) for line in written.splitlines() if line.endswith("]")]

    def between(self, start: float, end: float) -> list[float]:
        """Seconds of the requests that began in this time (of time.monotonic), in order of length."""
        return sorted(seconds for began, seconds, _ in self.seen if start <= began < end)

    @property
    def failed(self) -> int:
        """Requests that did not end well; 429 is an honest answer to an honest client too, but not here."""
        return sum(status != 200 for _, _, status in self.seen)


@contextlib.contextmanager
def honest_client(served: Served) -> Iterator[Honest]:
    """One beside the block; what it saw can be read after it."""
    call = [sys.executable, "-m", "benchmarks.promises.honest", str(served.port)]
    honest = Honest(subprocess.Popen(call, stdout=subprocess.PIPE, text=True, cwd=ROOT))
    try:
        yield honest
    finally:
        honest.stop()


def percentile(ordered: list[float], share: float) -> float:
    """The value below which this share of them lies; 0 where there is none."""
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


def main(port: int) -> None:
    """Asks until it is ended."""
    import http.client

    connection = http.client.HTTPConnection(HOST, port, timeout=60)
    while True:
        start = time.monotonic()
        try:
            connection.request("POST", "/v1/completions", BODY, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            answer.read()
            status = answer.status
        except (OSError, http.client.HTTPException) as error:
            print(f"the honest client: {error!r}", file=sys.stderr, flush=True)
            connection.close()
            status = 0
        print(json.dumps([start, time.monotonic() - start, status]), flush=True)
        time.sleep(PAUSE)


if __name__ == "__main__":
    main(int(sys.argv[1]))
