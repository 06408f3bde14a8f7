"""Measures what it costs that a server counts: octavo-mini serves on a CPU, observed and not.

Three ways take turns step by step on one thread of one process, so that a machine that slows down slows down all alike:
bare, the engine and the results that it makes; counted, with every layer's experts counted at each step, the reports,
the metrics and the statistics of routing; traced, with all requests recorded into a trace besides. A round is a batch
of requests from its prompts to its last tokens, three times, with the engines of the three passed around, since no two
lie alike in memory. The cost is the median over the rounds of the ratio of processor times,
with the quartiles and an interval of 95 % for the median itself. Refuses to time where the tokens differ. How long one
scrape of /metrics keeps the event loop is told beside it. Writes one JSON object with its provenance.

    python benchmarks/observing.py --output benchmarks/results/observing.json
"""

import argparse
import itertools
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from provenance import provenance
from recording import spread

from octavo import LLM, SamplingParams
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.recorder import Recorder
from octavo.analysis.store import TraceWriter
from octavo.api.drafts import RequestDraft
from octavo.config import mixtral_8x7b
from octavo.engine.config import EngineConfig
from octavo.engine.request import Progress, Request
from octavo.model import Transformer
from octavo.server.backend.driver import Driver
from octavo.server.backend.service import Service, ServiceLoad, StepReport
from octavo.server.telemetry.exposition import Exposition
from octavo.server.telemetry.metrics import Metrics, RequestWatch
from octavo.server.telemetry.recording import Gathering
from octavo.server.telemetry.routing_stats import RoutingStats

PROMPT, NEW = 16, 64
BATCHES = (1, 16)
WAYS = ("bare", "counted", "traced")
LIMIT = 0.02  # of the time without counting

Keep = Callable[[Gathering], object]


class Server:
    """An engine that can be served in each of the ways."""

    def __init__(self, model: Transformer) -> None:
        self.metrics = Metrics(RoutingStats())
        self._config = model.config
        self._driver = Driver(model, EngineConfig(enable_prefix_caching=False, num_pages=600))
        self._count = self._driver.engine._watch
        self._names = itertools.count()

    def serving(self, count: int, way: str, said: dict[str, list[list[int]]], keep: Keep) -> Iterator[None]:
        """Serves a batch, a pause after each step; ``keep`` gets what is to be traced, ``said`` the tokens."""
        ids = torch.randint(300, 8000, (count, PROMPT), generator=torch.Generator().manual_seed(0)).tolist()
        params = SamplingParams(temperature=0.0, max_tokens=NEW, ignore_eos=True, detokenize=False)
        self._driver.engine._watch = None if way == "bare" else self._count
        drafts: dict[str, RequestDraft] = {}
        heard: dict[str, Gathering] = {}
        with ExitStack() as stack:
            watches: dict[str, RequestWatch] = {}
            for each in ids:
                request = Request(request_id=f"cmpl-{next(self._names)}", prompt_token_ids=tuple(each), params=params)
                name = request.request_id
                drafts[name] = RequestDraft(
                    request, self._config, prompt=None, spell=lambda _: None, decoder=lambda: None
                )
                if way != "bare":
                    watches[name] = stack.enter_context(self.metrics.watch(request))
                if way == "traced":
                    heard[name] = Gathering(request, self._config)
                    request = replace(request, params=replace(params, routing=True))
                self._driver.add(request)
            while not all(draft.finished for draft in drafts.values()):
                for told in self._step(way):
                    name = told.request_id
                    if name in heard:
                        heard[name].take(told)
                    drafts[name].take(replace(told, routing=None) if name in heard else told)
                    if name in watches:
                        watches[name].saw(drafts[name])
                yield
        for gathering in heard.values():
            keep(gathering)
        said[way] = [draft.outputs[0].token_ids for draft in drafts.values()]
        yield

    def _step(self, way: str) -> list[Progress]:
        if way == "bare":
            return self._driver.engine.step()
        told, report = self._driver.step()
        if report is not None:
            self.metrics.on_step(report)
        return told


def pass_of(sides: dict[str, Iterator[None]]) -> dict[str, float]:
    """Seconds of the processor that each side took, a step each in turn, who goes first by turns."""
    taken, names, turn = dict.fromkeys(sides, 0.0), list(sides), 0
    while names:
        first = turn % len(names)
        for name in names[first:] + names[:first]:
            began = time.process_time()
            ended = next(sides[name], "ended")
            taken[name] += time.process_time() - began
            if ended:
                names.remove(name)
        turn += 1
    return taken


def measure(llm: LLM, count: int, rounds: int, folder: Path) -> dict[str, Any]:
    """Rounds of one batch size."""
    config = llm.config
    manifest = TraceManifest(
        num_experts=config.num_experts,
        num_experts_per_tok=config.num_experts_per_tok,
        layers=tuple(range(config.num_layers)),
        has_tokens=False,
        has_weights=True,
    )
    found: list[dict[str, float]] = []
    with TraceWriter(folder / f"{count}.route", manifest) as writer:
        recorder = Recorder(manifest, writer.add)

        def keep(gathering: Gathering) -> None:
            for passage in gathering.passages():
                recorder.record(
                    passage.rows,
                    passage.token_ids,
                    domain=passage.domain,
                    name=passage.name,
                    num_prompt=passage.num_prompt,
                )

        model = llm.engine.runner.model
        servers, said = [Server(model) for _ in WAYS], dict[str, list[list[int]]]()
        for number in range(rounds + 1):
            taken = dict.fromkeys(WAYS, 0.0)
            for turn in range(len(WAYS)):
                pairs = zip(WAYS, servers[turn:] + servers[:turn], strict=True)
                passed = pass_of({way: server.serving(count, way, said, keep) for way, server in pairs})
                for way, seconds in passed.items():
                    taken[way] += seconds / len(WAYS)
                if not said["bare"] == said["counted"] == said["traced"]:
                    raise SystemExit(f"batch {count}: counting changes the tokens: not timed")
            found += [taken] * (number > 0)  # the first one warms up
    row = {
        "figure": f"serving {NEW} tokens after {PROMPT}, batch {count}",
        "milliseconds_a_step": {name: 1000 * statistics.median(taken[name] for taken in found) / NEW for name in WAYS},
        "cost_of_counting": spread([taken["counted"] / taken["bare"] - 1 for taken in found]),
        "cost_of_tracing_all": spread([taken["traced"] / taken["bare"] - 1 for taken in found]),
    }
    told = ", ".join(f"{name[8:]} {row[name]['median']:+.2%}" for name in row if name.startswith("cost"))
    print(f"{row['figure']}: {told}", file=sys.stderr)
    return row


def scrape(layers: int, experts: int, service: Service) -> float:
    """Seconds of the processor that rendering /metrics takes, the median of 50, with so many layers and experts."""
    metrics = Metrics(RoutingStats())
    counts = torch.randint(0, 99, (layers, experts)).numpy()
    metrics.on_step(
        StepReport(
            seconds=0.01, tokens_read=9, prompt_tokens=0, tokens_chosen=9, num_sequences=9, started=(),
            expert_count_LE=counts, load=ServiceLoad(),
        )
    )  # fmt: skip
    exposition = Exposition(service, metrics, model_name="m")
    taken = []
    for _ in range(50):
        began = time.process_time()
        exposition.render()
        taken.append(time.process_time() - began)
    return statistics.median(taken)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--output", type=Path, help="the file to write; by default standard output")
    options = parser.parse_args()
    torch.set_num_threads(1)
    sys.path.insert(0, str(Path(__file__).parent.parent))
    from tests.server.still import StillService

    llm = LLM(device="cpu", dtype="float32", enable_prefix_caching=False)
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(llm, count, options.rounds, Path(folder)) for count in BATCHES]
    still, large = StillService(ServiceLoad()), mixtral_8x7b()
    found = {
        "benchmark": "what counting and tracing cost octavo-mini on a CPU",
        "rounds": options.rounds,
        "limit": LIMIT,
        "check": "equal greedy tokens in all three ways",
        **provenance(torch.device("cpu"), "pyarrow", "prometheus_client"),
        "figures": rows,
        "milliseconds_a_scrape": {
            "octavo-mini": 1000 * scrape(llm.config.num_layers, llm.config.num_experts, still),
            "mixtral-8x7b": 1000 * scrape(large.num_layers, large.num_experts, still),
        },
    }
    text = json.dumps(found, indent=1) + "\n"
    if options.output:
        options.output.write_text(text)
    else:
        print(text, end="")
    if any(row["cost_of_counting"]["median"] > LIMIT for row in rows):
        raise SystemExit(f"counting costs more than {LIMIT:.0%}")


if __name__ == "__main__":
    main()
