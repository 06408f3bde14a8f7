"""The counts: after thousands of requests of every kind, /metrics holds exactly what their clients have counted."""

import json
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import Served, serving

REQUESTS = 2_000
DISCONNECTS = 100
CLIENTS = 8
TEXTS = ("The old man and the sea", "import numpy as np\n", "Le chat est sur la", "Once upon a time", "2 + 2 =")
REASONS = {
    400: "bad_request",
    401: "unauthorized",
    404: "not_found",
    405: "method_not_allowed",
    413: "content_too_large",
    429: "too_many_requests",
    431: "header_fields_too_large",
}
SECONDS_TO_SETTLE = 20.0


@dataclass(slots=True)
class Tally:
    """What is counted, by the names that /metrics has for it."""

    prompt_tokens: int = 0
    generation_tokens: int = 0
    finished: Counter[str] = field(default_factory=Counter)
    rejected: Counter[str] = field(default_factory=Counter)
    requests: int = 0

    def add(self, other: "Tally") -> None:
        """Adds what another has counted."""
        self.prompt_tokens += other.prompt_tokens
        self.generation_tokens += other.generation_tokens
        self.finished += other.finished
        self.rejected += other.rejected
        self.requests += other.requests

    def rows(self) -> dict[str, float]:
        """Every number by its name, those that are 0 left out."""
        found: dict[str, float] = {
            "prompt_tokens": self.prompt_tokens,
            "generation_tokens": self.generation_tokens,
            "requests": self.requests,
        }
        found |= {f"finished {reason}": number for reason, number in self.finished.items()}
        found |= {f"rejected {reason}": number for reason, number in self.rejected.items()}
        return {name: number for name, number in found.items() if number}


def draw_request(draw: random.Random) -> tuple[str, str, bytes, dict[str, str]]:
    """One request: mostly good ones, of every kind, and bad ones of several."""
    text = draw.choice(TEXTS) * draw.randint(1, 4)
    fields: dict[str, Any] = {"max_tokens": draw.randint(1, 12), "n": draw.choice((1, 1, 2, 3))}
    fields["temperature"] = draw.choice((0, 0.7, 1.0))
    if draw.random() < 0.3:
        fields["stop"] = draw.choice(([" the"], ["a"], [".", "e "]))
    if draw.random() < 0.5:
        fields |= {"stream": True, "stream_options": {"include_usage": True}}
    if draw.random() < 0.2:
        fields["routing"] = True
    chat, path = {"messages": [{"role": "user", "content": text}], **fields}, "/v1/chat/completions"
    plain = {"prompt": draw.choice((text, [text, text[:9]], [5, 6, 7, 8])), **fields}
    body, path = draw.choice(((chat, path), (plain, "/v1/completions"), (plain, "/v1/completions")))
    bad = draw.random()
    if bad < 0.04:
        body["temperature"] = 9
    elif bad < 0.08:
        body["model"] = "nobody"
    elif bad < 0.10:
        return "GET", path, b"", {}
    elif bad < 0.12:
        return "POST", "/v1/nowhere", b"{}", {}
    elif bad < 0.14:
        return "POST", path, b"{", {}
    elif bad < 0.16:
        return "POST", path, b"", {"Content-Length": "3000000"}
    elif bad < 0.18:
        return "GET", "/health", b"", {"X-Long": "x" * 40_000}
    return "POST", path, json.dumps(body).encode(), {}


def ask(served: Served, request: tuple[str, str, bytes, dict[str, str]]) -> Tally:
    """Sends one request on a connection of its own and counts what its answer says."""
    method, path, body, headers = request
    connection = served.connect()
    try:
        connection.putrequest(method, path)
        headers = {"Content-Type": "application/json", "Content-Length": str(len(body)), **headers}
        for name, value in headers.items():
            connection.putheader(name, value)
        connection.endheaders()
        if body:
            connection.send(body)
        answer = connection.getresponse()
        text = answer.read().decode()
    finally:
        connection.close()
    told = Tally(requests=1)
    if answer.status != 200:
        told.rejected[REASONS.get(answer.status, f"status_{answer.status}")] += 1
        return told
    for payload in payloads(text):
        for choice in payload.get("choices", ()):
            if choice.get("finish_reason"):
                told.finished[choice["finish_reason"]] += 1
        if payload.get("usage"):
            told.prompt_tokens += payload["usage"]["prompt_tokens"]
            told.generation_tokens += payload["usage"]["completion_tokens"]
    return told


def payloads(text: str) -> Iterator[dict[str, Any]]:
    """The objects of an answer: one, or a stream of them."""
    if not text.startswith("data: "):
        yield json.loads(text)
        return
    for line in text.splitlines():
        if line.startswith("data: {"):
            yield json.loads(line.removeprefix("data: "))


def leave(served: Served, draw: random.Random) -> None:
    """Asks for more than can be written soon, reads a little, and leaves without a word."""
    body = {"prompt": draw.choice(TEXTS), "max_tokens": 1500, "ignore_eos": True, "stream": True}
    connection = served.connect()
    connection.request("POST", "/v1/completions", json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    assert answer.status == 200, answer.status
    for _ in range(draw.randint(1, 6)):
        answer.readline()
    answer.close()
    connection.close()


def counted(served: Served) -> Tally:
    """What /metrics says."""
    _, text = served.ask("/metrics")
    found = Tally()
    for line in text.splitlines():
        name, _, rest = line.partition("{")
        if line.startswith("#") or not rest:
            continue
        labels, _, value = rest.rpartition("} ")
        number = int(float(value))
        own = dict(each.split("=", 1) for each in labels.replace('"', "").split(",") if "=" in each)
        if name == "octavo:prompt_tokens_total":
            found.prompt_tokens = number
        elif name == "octavo:generation_tokens_total":
            found.generation_tokens = number
        elif name == "octavo:request_success_total":
            found.finished[own["finished_reason"]] = number
        elif name == "octavo:requests_rejected_total":
            found.rejected[own["reason"]] = number
    return found


def crowd(served: Served, number: int, seed: int) -> Tally:
    """What several clients count at once."""
    total, lock = Tally(), threading.Lock()
    left = iter(range(number))

    def work() -> None:
        while True:
            with lock:
                place = next(left, None)
            if place is None:
                return
            told = ask(served, draw_request(random.Random(f"{seed} {place}")))
            with lock:
                total.add(told)

    threads = [threading.Thread(target=work) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return total


def counts(scale: float, seed: int) -> Promise:
    """After 2,000 requests of every kind, and 100 that their clients left, /metrics holds exactly what the clients have
    counted: prompt and output tokens, outputs by how they ended, refusals by why."""
    requests, disconnects = count(REQUESTS, scale), count(DISCONNECTS, scale)
    with serving() as served:
        told = crowd(served, requests, seed)
        found = counted(served)
        found.requests = told.requests
        wrong = differences(told, found)
        draw = random.Random(seed)
        for _ in range(disconnects):
            leave(served, draw)
        aborts = settled(served, disconnects)
        if aborts != disconnects:
            wrong.append(f"finished abort: {disconnects} left, {aborts} counted")
    # A client may be wrong about what it asked; that something is counted twice or never shows in the sums.
    lost = requests - told.requests
    detail: dict[str, float | int | str] = {
        "tokens_read": told.prompt_tokens,
        "tokens_written": told.generation_tokens,
        "refused": sum(told.rejected.values()),
        "left": disconnects,
    }
    if wrong:
        detail["first"] = wrong[0]
    return Promise(name="metrics equal clients", tried=requests + disconnects, failed=len(wrong) + lost, detail=detail)


def differences(told: Tally, found: Tally) -> list[str]:
    """Where a client's count and the server's differ."""
    ours, theirs = found.rows(), told.rows()
    return [
        f"{name}: clients {theirs.get(name, 0):g}, metrics {ours.get(name, 0):g}"
        for name in sorted({*ours, *theirs})
        if ours.get(name, 0) != theirs.get(name, 0)
    ]


def settled(served: Served, wanted: int) -> int:
    """The aborts that are counted, once as many are as there must be, or none came for a while."""
    end = time.monotonic() + SECONDS_TO_SETTLE
    while (found := counted(served).finished["abort"]) < wanted and time.monotonic() < end:
        time.sleep(0.1)
    return found


PROMISES = (counts,)
