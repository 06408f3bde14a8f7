"""A server works for an hour, and must not grow."""

import http.client
import json
import random
import threading
import time
from pathlib import Path

from benchmarks.promises.promise import Promise
from benchmarks.promises.served import Served, family, serving

HOUR = 3600.0
WARM_UP_SHARE = 0.25
SAMPLES = 240
CLIENTS = 8
# Pages of the cache become resident as they are first used: a small one has all been used when the warm-up is over.
CACHE_BYTES = 2**25
MOST_BYTES_AN_HOUR = 1_000_000
# Below this a slope says more about the allocator's pages than about a leak.
LEAST_SECONDS = 900.0


def soak(scale: float, seed: int) -> Promise:
    """Eight clients send requests of every kind for an hour, some of them leave early: after a quarter of the time the
    resident memory of the server's processes grows by less than 1 MB an hour, and the number of open files stays."""
    seconds = HOUR * scale
    stopped = threading.Event()
    asked = [0] * CLIENTS
    wrong = [0] * CLIENTS
    samples: list[tuple[float, float]] = []
    with serving("--kv-cache-memory-bytes", str(CACHE_BYTES)) as served:
        threads = [
            threading.Thread(target=client, args=(served, stopped, asked, wrong, place), daemon=True)
            for place in range(CLIENTS)
        ]
        for thread in threads:
            thread.start()
        began = time.monotonic()
        files = 0
        while (now := time.monotonic() - began) < seconds:
            if now > WARM_UP_SHARE * seconds:
                files = files or open_files(served)
                samples.append((now, served.memory()))
            time.sleep(seconds / SAMPLES)
        stopped.set()
        for thread in threads:
            thread.join(60)
        grown = open_files(served) - files
        leaked = served.num_unfreed()
    growth = slope(samples) * HOUR
    # Short soaks, as of continuous integration, only show that nothing breaks.
    grows = seconds >= LEAST_SECONDS and growth > MOST_BYTES_AN_HOUR
    failed = sum(wrong) + (leaked > 0) + grows + (grown > CLIENTS)
    detail = {
        "minutes": round(seconds / 60, 1),
        "memory_MB": round(sorted(size for _, size in samples)[len(samples) // 2] / 1e6),
        "growth_MB_an_hour": round(growth / 1e6, 2),
        "files_opened": grown,
    }
    return Promise(name="soak", tried=sum(asked), failed=failed, detail=detail)


def client(served: Served, stopped: threading.Event, asked: list[int], wrong: list[int], place: int) -> None:
    """Asks all kinds of things until it is stopped."""
    draw = random.Random(place)
    connection = served.connect()
    while not stopped.is_set():
        path, body, status = one_of_many(draw)
        asked[place] += 1
        try:
            connection.request("POST", path, json.dumps(body), {"content-type": "application/json"})
            answer = connection.getresponse()
            if draw.random() < 0.1 and body.get("stream"):
                answer.read(200)  # and goes
                connection.close()
                connection = served.connect()
                continue
            answer.read()
            wrong[place] += answer.status != status
        except (OSError, http.client.HTTPException):
            wrong[place] += 1
            connection.close()
            connection = served.connect()
    connection.close()


def one_of_many(draw: random.Random) -> tuple[str, dict[str, object], int]:
    """A request, and the status that it should have."""
    words = " ".join(draw.choice(("once", "upon", "a", "time", "the", "sea")) for _ in range(draw.randint(1, 200)))
    common = {"max_tokens": draw.randint(1, 64), "stream": draw.random() < 0.5, "temperature": draw.random()}
    kinds: list[tuple[str, dict[str, object], int]] = [
        ("/v1/completions", {"prompt": words, **common}, 200),
        ("/v1/completions", {"prompt": words, "n": 2, "logprobs": 3, **common, "temperature": 1}, 200),
        ("/v1/completions", {"prompt": words, "routing": True, **common}, 200),
        ("/v1/completions", {"prompt": words, "guided_regex": f"[a-z]{{{draw.randint(1, 500)}}}", **common}, 200),
        ("/v1/chat/completions", {"messages": [{"role": "user", "content": words}], **common}, 200),
        ("/tokenize", {"prompt": words}, 200),
        ("/v1/completions", {"prompt": words, "temperature": 99}, 400),
        ("/v1/completions", {"prompt": words, "guided_regex": f"({draw.random()}"}, 400),
    ]
    return draw.choice(kinds)


def open_files(served: Served) -> int:
    """Descriptors that the server's processes hold."""
    return sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in family(served.child.pid))


def slope(samples: list[tuple[float, float]]) -> float:
    """The least-squares slope of values over times."""
    if len(samples) < 2:
        return 0.0
    mean_time = sum(when for when, _ in samples) / len(samples)
    mean_value = sum(value for _, value in samples) / len(samples)
    over = sum((when - mean_time) * (value - mean_value) for when, value in samples)
    under = sum((when - mean_time) ** 2 for when, _ in samples)
    return over / under if under else 0.0


PROMISES = (soak,)
