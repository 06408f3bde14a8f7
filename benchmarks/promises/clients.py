"""The openai clients for Python, 2 and 3, and for Node, each unchanged and in an environment of its own.

All play the same cases, which are data, against a server of octavo-mini with two keys, and against one with a tokenizer
that knows how to call functions; a seeded share of the cases where the scale is below 1.
"""

import contextlib
import importlib.resources
import json
import random
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.clients.busy import busy_server
from benchmarks.clients.cases import Case, prepare, read_cases
from benchmarks.clients.environments import HERE, node_folder, python_of, quiet_env
from benchmarks.clients.judge import judge
from benchmarks.promises.promise import Promise, count
from benchmarks.promises.served import Served, serving

KEYS = ("first-key", "second-key")
SECONDS = 900


@dataclass(frozen=True, slots=True, kw_only=True)
class Played:
    """Cases that a client played: what is wrong with each that failed, and which client it was."""

    client: str
    tried: int
    trouble: dict[str, list[str]]


def openai_for_python_2(scale: float, seed: int) -> Promise:
    """The openai client for Python 2.x gets right answers in every case."""
    return keep("openai for Python 2", [str(python_of("openai-2")), str(HERE / "drive.py")], scale, seed)


def openai_for_python_3(scale: float, seed: int) -> Promise:
    """The openai client for Python 3.x gets right answers in every case."""
    return keep("openai for Python 3", [str(python_of("openai-3")), str(HERE / "drive.py")], scale, seed)


def openai_for_node(scale: float, seed: int) -> Promise:
    """The openai client for Node gets right answers in every case."""
    return keep("openai for Node", ["node", str(node_folder() / "drive.mjs")], scale, seed)


def keep(name: str, driver: list[str], scale: float, seed: int) -> Promise:
    """Plays the cases with one driver and tells how many failed; says on stderr why."""
    cases = read_cases()
    chosen = sorted(random.Random(seed).sample(range(len(cases)), count(len(cases), scale)))
    with servers() as (mini, tools):
        runs = [
            play(driver, [cases[place] for place in chosen if cases[place].get("server", "mini") == which], served)
            for which, served in (("mini", mini), ("tools", tools))
        ]
    trouble = runs[0].trouble | runs[1].trouble
    for case, lines in trouble.items():
        print(f"  FAILED {case}", *lines, sep="\n    ", flush=True)
    return Promise(name=name, tried=len(chosen), failed=len(trouble), detail={"client": runs[0].client})


def play(driver: list[str], cases: list[Case], served: Served) -> Played:
    """Gives cases to a driver and judges what it got."""
    if not cases:
        return Played(client="", tried=0, trouble={})
    with busy_server(served.url) as busy:
        facts = facts_of(served)
        ready = [prepare(case, facts, root=served.url, busy=busy.url) for case in cases]
        given = {"base_url": f"{served.url}/v1", "api_key": KEYS[0], "cases": ready}
        done = subprocess.run(
            driver,
            input=json.dumps(given),
            capture_output=True,
            text=True,
            env=quiet_env(),
            timeout=SECONDS,
            check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{driver[-1]} ended with {done.returncode}: {done.stderr[-2000:]}")
        found = json.loads(done.stdout)
        trouble = {}
        for case in ready:
            known = found["results"][case["name"]]
            count_tries(case, known, dict(busy.tries))
            lines = judge(case, known)
            if lines:
                trouble[case["name"]] = lines
    return Played(client=found["client"], tried=len(cases), trouble=trouble)


def facts_of(served: Served) -> dict[str, Any]:
    """What cases call the server's parts."""
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", served.port, timeout=30)
    found = []
    for path in ("/v1/models", "/v1/routing/stats"):
        connection.request("GET", path, headers={"Authorization": f"Bearer {KEYS[0]}"})
        found.append(json.loads(connection.getresponse().read()))
    layers = found[1]["since_start"]["layers"]
    return {
        "model": found[0]["data"][0]["id"],
        "second key": KEYS[1],
        "layers": len(layers),
        "experts": len(layers[0]["expert_share"]),
    }


def count_tries(case: Case, known: dict[str, Any], tries: dict[str, int]) -> None:
    """Puts beside what a step got how often the client had asked for it."""
    for step in case["steps"]:
        for name, number in tries.items():
            if f"/{name}/" in step.get("client", {}).get("base_url", ""):
                known[step["as"]]["tries"] = number


@contextlib.contextmanager
def servers() -> Iterator[tuple[Served, Served]]:
    """octavo-mini, and a small random model that knows Mistral's form of calls, both behind two keys."""
    keys = ("--api-key", KEYS[0], "--api-key", KEYS[1])
    with tempfile.TemporaryDirectory(prefix="octavo-tools-") as name:
        calls = ("--served-model-name", "octavo-mini", "--max-model-len", "1024")
        with serving(*keys) as mini, serving(str(caller(Path(name) / "caller")), *keys, *calls) as tools:
            yield mini, tools


def caller(folder: Path) -> Path:
    """A folder with a model of random weights and the tokenizer of Mistral's v3, which mistral-common ships."""
    from octavo.checkpoint import save_model
    from octavo.config import ModelConfig
    from octavo.model import Transformer

    config = ModelConfig(
        vocab_size=32768,
        dim=64,
        num_layers=2,
        num_heads=4,
        num_kv_heads=2,
        head_dim=16,
        hidden_dim=32,
        num_experts=4,
        num_experts_per_tok=2,
        context_length=2048,
    )
    save_model(Transformer(config).init_weights(seed=0), folder)
    shipped = importlib.resources.files("mistral_common") / "data" / "mistral_instruct_tokenizer_240323.model.v3"
    (folder / "tokenizer.model.v3").write_bytes(shipped.read_bytes())
    return folder


PROMISES = (openai_for_python_2, openai_for_python_3, openai_for_node)
