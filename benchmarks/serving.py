"""What HTTP costs: the same load on the engine alone and through ``octavo serve``, and the first token at idle.

    python -m benchmarks.serving                                              octavo-mini on this machine's CPU
    python -m benchmarks.serving --shape mixtral-8x7b --dtype bfloat16 --output-len 256 --concurrency 64

A load is a number of requests of random tokens, so many under way at once, each with an output of full length. The
engine alone runs in this process, as ``LLM`` runs it; through HTTP it streams to clients in one more process, whose
work is part of what the machine does then. Each way is tried in turn, several times; the ratio is of the best of each.
"""

import argparse
import asyncio
import json
import random
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from benchmarks.promises.served import HOST, Served, serving
from benchmarks.provenance import provenance
from octavo.api.opening import use_one_thread_if_small
from octavo.engine.config import EngineConfig
from octavo.engine.engine import Engine
from octavo.engine.params import SamplingParams
from octavo.engine.request import Request
from octavo.server.backend.loading import load
from octavo.server.settings import LoadFormat, ModelSettings

RESULT = Path(__file__).parent / "results" / "serving.json"
PACKAGES = ("fastapi", "uvicorn", "httptools", "uvloop")
FIRST_TOKENS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """Requests of ``input_len`` random tokens under ``vocab_size`` and ``output_len`` more, ``concurrency`` at once."""

    requests: int
    concurrency: int
    input_len: int
    output_len: int
    vocab_size: int
    seed: int = 0

    def prompts(self) -> list[list[int]]:
        """The prompts, the same every time."""
        draw = random.Random(self.seed)
        return [[draw.randrange(3, self.vocab_size) for _ in range(self.input_len)] for _ in range(self.requests)]

    @property
    def tokens(self) -> int:
        """Tokens of all outputs."""
        return self.requests * self.output_len


def request_of(name: str, prompt: list[int], max_tokens: int) -> Request:
    """A greedy request that does not stop early."""
    params = SamplingParams(temperature=0.0, max_tokens=max_tokens, ignore_eos=True)
    return Request(request_id=name, prompt_token_ids=tuple(prompt), params=params)


def run_engine(engine: Engine, asked: Load) -> float:
    """Output tokens a second of the engine alone."""
    waiting = [request_of(str(n), prompt, asked.output_len) for n, prompt in enumerate(asked.prompts())][::-1]
    under_way = 0
    began = time.perf_counter()
    while waiting or under_way:
        while waiting and under_way < asked.concurrency:
            engine.add(waiting.pop())
            under_way += 1
        under_way -= sum(progress.finish_reason is not None for progress in engine.step())
    return asked.tokens / (time.perf_counter() - began)


def first_tokens_of_engine(engine: Engine, asked: Load) -> list[float]:
    """Seconds from a request to its first token, with nothing else to do."""
    found = []
    for number, prompt in enumerate((asked.prompts() * FIRST_TOKENS)[:FIRST_TOKENS]):
        began = time.perf_counter()
        engine.add(request_of(f"first {number}", [number + 3, *prompt[1:]], 1))
        while not engine.step():
            pass
        found.append(time.perf_counter() - began)
    return found


def first_tokens_over_http(served: Served, asked: Load) -> list[float]:
    """The same over a connection that stays open."""
    connection = served.connect()
    found = []
    for number, prompt in enumerate((asked.prompts() * FIRST_TOKENS)[:FIRST_TOKENS]):
        body = {"prompt": [number + 3, *prompt[1:]], "max_tokens": 1, "temperature": 0, "stream": True}
        began = time.perf_counter()
        connection.request("POST", "/v1/completions", json.dumps(body), {"content-type": "application/json"})
        answer = connection.getresponse()
        answer.readline()
        found.append(time.perf_counter() - began)
        answer.read()
    connection.close()
    return found


async def stream_all(port: int, asked: Load) -> float:
    """Output tokens a second through HTTP, all of them streamed."""
    prompts = asked.prompts()[::-1]

    async def client() -> None:
        reader, writer = await asyncio.open_connection(HOST, port, limit=2**24)
        while prompts:
            body = json.dumps(
                {"prompt": prompts.pop(), "max_tokens": asked.output_len, "temperature": 0, "stream": True}
                | {"ignore_eos": True}
            ).encode()
            head = f"POST /v1/completions HTTP/1.1\r\nhost: {HOST}\r\ncontent-type: application/json\r\n"
            writer.write(f"{head}content-length: {len(body)}\r\n\r\n".encode() + body)
            answer = await reader.readuntil(b"\r\n0\r\n\r\n")
            if b'"finish_reason":"length"' not in answer or not answer.startswith(b"HTTP/1.1 200"):
                raise RuntimeError(f"an answer is not whole: {answer[:300]!r}")
        writer.close()

    began = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(asked.concurrency)))
    return asked.tokens / (time.perf_counter() - began)


def run_clients(port: int, asked: Load) -> float:
    """``stream_all`` in a process of its own."""
    fields = {name: getattr(asked, name) for name in Load.__dataclass_fields__}
    call = [sys.executable, "-m", "benchmarks.serving", "--client", str(port), json.dumps(fields)]
    done = subprocess.run(call, capture_output=True, text=True, cwd=Path(__file__).parent.parent, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    return float(done.stdout)


def measure(settings: ModelSettings, asked: Load, *, repeats: int) -> dict[str, object]:
    """Both ways in turn, then the first tokens; the server has the machine while it is asked, and so has the engine."""
    flags = [settings.name, "--device", settings.device, "--dtype", settings.dtype]
    flags += ["--load-format", settings.load_format, "--no-enable-prefix-caching"]
    loaded = load(settings)
    engine = Engine(loaded.model, EngineConfig(enable_prefix_caching=False))
    use_one_thread_if_small(loaded.model.config, engine.runner.device)
    run_engine(engine, asked)
    alone = [run_engine(engine, asked) for _ in range(repeats)]
    first_alone = first_tokens_of_engine(engine, asked)
    device = engine.runner.device
    # The GPU's memory is the server's now.
    del engine, loaded
    if device.type == "cuda":
        torch.cuda.empty_cache()
    with serving(*flags) as served:
        run_clients(served.port, asked)
        through = [run_clients(served.port, asked) for _ in range(repeats)]
        first_through = first_tokens_over_http(served, asked)
    added = statistics.median(first_through) - statistics.median(first_alone)
    return {
        "shape": settings.name,
        "load": {name: getattr(asked, name) for name in Load.__dataclass_fields__},
        "engine_tokens_per_s": [round(each, 1) for each in alone],
        "http_tokens_per_s": [round(each, 1) for each in through],
        "http_share": round(max(through) / max(alone), 4),
        "engine_first_token_ms": round(1000 * statistics.median(first_alone), 2),
        "http_first_token_ms": round(1000 * statistics.median(first_through), 2),
        "http_adds_ms": round(1000 * added, 2),
        "origin": provenance(device, *PACKAGES),
    }


def main() -> None:
    """Measures, prints and writes down."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--client", nargs=2, help=argparse.SUPPRESS)
    parser.add_argument("--shape", default="octavo-mini", help="octavo-mini, a folder, or with random weights a preset")
    parser.add_argument("--load-format", default=None, help="dummy for a preset's name, auto otherwise")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--dtype", default="auto")
    parser.add_argument("--requests", type=int, default=128)
    parser.add_argument("--concurrency", type=int, default=16)
    parser.add_argument("--input-len", type=int, default=128)
    parser.add_argument("--output-len", type=int, default=128)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--output", type=Path, default=RESULT)
    given = parser.parse_args()
    if given.client:
        port, fields = given.client
        print(asyncio.run(stream_all(int(port), Load(**json.loads(fields)))))
        return
    form: LoadFormat = given.load_format or ("auto" if given.shape == "octavo-mini" else "dummy")
    settings = ModelSettings(name=given.shape, device=given.device, dtype=given.dtype, load_format=form)
    asked = Load(
        requests=given.requests,
        concurrency=given.concurrency,
        input_len=given.input_len,
        output_len=given.output_len,
        vocab_size=8000,
    )
    found = measure(settings, asked, repeats=given.repeats)
    print(json.dumps(found, indent=1))
    given.output.parent.mkdir(exist_ok=True)
    kept = json.loads(given.output.read_text(encoding="utf-8")) if given.output.exists() else []
    kept = [each for each in kept if (each["shape"], each["origin"]["device"]) != (given.shape, _device(found))]
    given.output.write_text(json.dumps([*kept, found], indent=1) + "\n", encoding="utf-8")


def _device(found: dict[str, object]) -> str:
    origin = found["origin"]
    assert isinstance(origin, dict)
    return str(origin["device"])


if __name__ == "__main__":
    main()
