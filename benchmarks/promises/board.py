"""The board: Debian's real Prometheus scrapes a real server under traffic, and every query of the board is asked.

examples/prometheus.yml is what Prometheus runs with, but for the server's port and the time between scrapes; the
queries are read from examples/grafana.json, with the values that Grafana would put in for the board's variables.
"""

import contextlib
import json
import math
import random
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.promises.promise import Promise
from benchmarks.promises.served import HOST, Served, serving

EXAMPLES = Path(__file__).parent.parent.parent / "examples"
PREFIXES = ("octavo", "vllm")
SECONDS_TO_ANSWER = 60
SCRAPE = "1s"
# Grafana makes it four scrapes at least, so that a rate has its two points whenever it looks.
RATE_WINDOW = "6s"
PROMPTS = ("The old man and the", "import numpy as", "Le chat est", "Once upon a time", "The theorem says that")


class Prometheus:
    """One that runs, and can be asked."""

    def __init__(self, port: int) -> None:
        self._url = f"http://{HOST}:{port}/api/v1"

    def get(self, path: str, **fields: str) -> Any:
        """The data of one answer; raises RuntimeError where Prometheus refuses the question."""
        try:
            return json.loads(fetch(f"{self._url}/{path}?{urllib.parse.urlencode(fields)}"))["data"]
        except urllib.error.HTTPError as error:
            raise RuntimeError(f"Prometheus refuses {fields}: {error.read().decode()}") from None

    def answers(self, query: str) -> bool:
        """Whether a query has at least one number; not-a-number is none."""
        found = self.get("query", query=query)["result"]
        return any(not math.isnan(float(series["value"][1])) for series in found)

    def knows(self, metric: str, label: str) -> bool:
        """Whether a label of a metric has values, as the choices at the board's top need them."""
        return bool(self.get(f"label/{label}/values", **{"match[]": metric}))


def fetch(url: str) -> bytes:
    """What stands at an address of this machine."""
    assert url.startswith(f"http://{HOST}:")
    with urllib.request.urlopen(url, timeout=10) as answer:  # noqa: S310  # the line above
        return bytes(answer.read())


def find_prometheus() -> str | None:
    """Its path, as the package ``prometheus`` of Debian installs it; None where it is missing."""
    return shutil.which("prometheus")


@contextlib.contextmanager
def prometheus_for(served: Served) -> Iterator[Prometheus]:
    """Scrapes a server until the block ends."""
    path = find_prometheus()
    if path is None:
        raise RuntimeError("prometheus is missing: apt-get install prometheus")
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="octavo-board-") as folder:
        written = (EXAMPLES / "prometheus.yml").read_text(encoding="utf-8")
        config = written.replace("127.0.0.1:8000", f"{HOST}:{served.port}")
        config = re.sub(r"scrape_interval: \w+", f"scrape_interval: {SCRAPE}", config)
        assert config != written, "examples/prometheus.yml names the default port and an interval"
        (Path(folder) / "prometheus.yml").write_text(config, encoding="utf-8")
        call = [path, "--config.file=prometheus.yml", "--storage.tsdb.path=held", f"--web.listen-address={HOST}:{port}"]
        with (Path(folder) / "log").open("w", encoding="utf-8") as log:
            child = subprocess.Popen(call, cwd=folder, stdout=log, stderr=subprocess.STDOUT)
        try:
            wait_until_ready(child, port, Path(folder) / "log")
            yield Prometheus(port)
        finally:
            child.terminate()
            child.wait(30)


def wait_until_ready(child: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    """Returns when it answers; raises RuntimeError with its log where it does not."""
    end = time.monotonic() + SECONDS_TO_ANSWER
    while time.monotonic() < end and child.poll() is None:
        with contextlib.suppress(OSError):
            fetch(f"http://{HOST}:{port}/-/ready")
            return
        time.sleep(0.1)
    raise RuntimeError(f"prometheus did not start: {log.read_text(encoding='utf-8')[-1000:]}")


@contextlib.contextmanager
def traffic_on(served: Served, seed: int) -> Iterator[None]:
    """Requests of every kind until the block ends: whole, streamed, chats, of several outputs, refused."""
    ended = threading.Event()
    draw = random.Random(seed)

    def ask() -> None:
        while not ended.is_set():
            text = draw.choice(PROMPTS) * draw.randint(1, 8)
            fields = {"max_tokens": draw.randint(2, 24), "n": draw.randint(1, 2), "stream": draw.random() < 0.5}
            chat = {"messages": [{"role": "user", "content": text}], **fields}
            for path, body in (
                ("/v1/completions", {"prompt": text, **fields}),
                ("/v1/chat/completions", chat),
                ("/v1/completions", {"prompt": text, "temperature": 9}),
            ):
                with contextlib.suppress(OSError):
                    served.ask(path, body)

    thread = threading.Thread(target=ask, name="traffic")
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def board_queries(prefix: str) -> list[str]:
    """Every query of every panel, with the variables filled in as Grafana does."""
    board = json.loads((EXAMPLES / "grafana.json").read_text(encoding="utf-8"))
    return [
        filled(target["expr"], prefix)
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]  # fmt: skip


def board_choices(prefix: str) -> list[tuple[str, str]]:
    """The metric and the label of every choice that the board asks Prometheus for."""
    board = json.loads((EXAMPLES / "grafana.json").read_text(encoding="utf-8"))
    asked = [each["query"] for each in board["templating"]["list"] if each["type"] == "query"]
    found = [re.fullmatch(r"label_values\((.+), (\w+)\)", query) for query in asked]
    assert all(found), asked
    return [(filled(match[1], prefix), match[2]) for match in found if match]


def filled(text: str, prefix: str) -> str:
    """A query as Prometheus is asked it."""
    values = {"prefix": prefix, "model_name": ".*", "layer": "0", "__rate_interval": RATE_WINDOW, "__range": "1m"}
    return re.sub(r"\$(\w+)", lambda match: values[match[1]], text)


def unanswered(prefix: str, seed: int) -> tuple[int, list[str]]:
    """How many questions the board has, and those of them that had no answer within a minute of traffic."""
    queries, choices = board_queries(prefix), board_choices(prefix)
    with tempfile.TemporaryDirectory(prefix="octavo-trace-") as folder:
        flags = ("--metrics-prefix", prefix, "--trace-dir", folder)
        with serving(*flags) as served, prometheus_for(served) as prometheus, traffic_on(served, seed):
            open_queries, open_choices = list(queries), list(choices)
            end = time.monotonic() + SECONDS_TO_ANSWER
            while (open_queries or open_choices) and time.monotonic() < end:
                time.sleep(1)
                open_queries = [query for query in open_queries if not prometheus.answers(query)]
                open_choices = [choice for choice in open_choices if not prometheus.knows(*choice)]
    return len(queries) + len(choices), open_queries + [f"{label} of {metric}" for metric, label in open_choices]


def board(scale: float, seed: int) -> Promise:
    """Each query of the Grafana board answers with data in Debian's Prometheus, which scrapes a server under traffic,
    under Octavo's own prefix and under vLLM's. The board has as many queries as it has, so no share is drawn."""
    tried, failed = 0, []
    for prefix in PREFIXES:
        asked, left = unanswered(prefix, seed)
        tried += asked
        failed += left
    version = subprocess.run([find_prometheus() or "false", "--version"], capture_output=True, text=True, check=True)
    number = re.search(r"version (\S+)", version.stdout + version.stderr)
    detail: dict[str, str] = {"prometheus": number[1] if number else "unknown"}
    if failed:
        detail["first"] = failed[0][:200]
    return Promise(name="board in Prometheus", tried=tried, failed=len(failed), detail=detail)


PROMISES = (board,)
