"""The work of ``octavo bench serve``: draws the load, measures each rate, shows a table and keeps the figures."""

import asyncio
import json
import math
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from rich.table import Table

from octavo.cli.bench import LoadFlags, ResultFlags, TargetFlags
from octavo.cli.escaping import escape_line
from octavo.cli.progress import Tell, count_bar
from octavo.cli.screen import figures, open_screen, print_json
from octavo.client import bench_prompts
from octavo.client.arrivals import draw_arrivals
from octavo.client.bench_prompts import BenchRequest, Lengths
from octavo.client.bench_run import PATHS, BenchTarget, run_load
from octavo.client.bench_summary import METRICS, Wanted, details, summarise
from octavo.client.endpoint import ServerError, find_endpoint
from octavo.client.remote import Remote
from octavo.errors import RequestError

Figures = dict[str, Any]


def measure(target: TargetFlags, load: LoadFlags, result: ResultFlags, *, no_color: bool, as_json: bool) -> None:
    """Measures every rate and shows and keeps what came out."""
    rates, wanted, shown = read_rates(load.request_rate), read_wanted(result), read_metrics(result.percentile_metrics)
    kept = _split(result.metadata, "=", "--metadata")
    for name, count in (("--num-prompts", load.num_prompts), ("--max-concurrency", load.max_concurrency)):
        if count is not None and count < 1:
            raise RequestError(f"{name} is {count}: want at least 1")
    requests = draw_requests(load, chat=target.backend == "openai-chat")
    opened = open_target(target)
    runs = []
    with count_bar("requests") as tell:
        if load.num_warmups:
            warm = [requests[place % len(requests)] for place in range(load.num_warmups)]
            asyncio.run(run_load(opened, warm, [0.0] * len(warm), max_concurrency=1, tell=lambda _: None))
        for place, rate in enumerate(rates):
            done = place * len(requests)
            run = _measure_rate(opened, requests, rate, load, told=(tell, done, len(rates) * len(requests)))
            timed, duration = run
            facts = _facts(target, load, opened, rate) | kept | summarise(timed, duration, wanted)
            runs.append(facts | (details(timed) if result.save_detailed else {}))
            if not facts["completed"]:
                raise ServerError(f"all {len(timed)} requests failed: {timed[0].error}")
    document: Any = runs[0] if len(runs) == 1 else runs
    path = keep(document, result, rates)
    if as_json:
        print_json(document)
        return
    screen = open_screen(no_color=no_color)
    screen.show("", *tables(runs, shown, wanted), "")
    if any(run["failed"] for run in runs):
        screen.say(f"Requests that failed: {sum(run['failed'] for run in runs)}; --save-detailed keeps why.")
    if path is not None:
        screen.write(f"Figures in {escape_line(str(path))}\n")


def _measure_rate(
    opened: BenchTarget, requests: Sequence[BenchRequest], rate: float, load: LoadFlags, *, told: tuple[Tell, int, int]
) -> tuple[list[Any], float]:
    tell, done, total = told
    generator = np.random.default_rng(load.seed)
    arrivals = draw_arrivals(len(requests), rate, burstiness=load.burstiness, generator=generator)
    return asyncio.run(
        run_load(
            opened,
            requests,
            arrivals,
            max_concurrency=load.max_concurrency,
            tell=lambda ended: tell(f"at {rate:g} a second", done + ended, total),
        )
    )


def read_rates(text: str) -> list[float]:
    """The rates of ``--request-rate``; raises RequestError for what is none."""
    try:
        rates = [float(part) for part in text.split(",")]
    except ValueError:
        rates = [math.nan]
    if any(math.isnan(rate) or rate <= 0 for rate in rates):
        raise RequestError(f"--request-rate is {text!r:.80}: want numbers above 0, or inf, with commas between")
    return rates


def read_metrics(text: str) -> list[str]:
    """The names of ``--percentile-metrics``; raises RequestError for one that is not known."""
    names = [part.strip() for part in text.split(",") if part.strip()]
    for name in names:
        if name not in METRICS:
            raise RequestError(f"--percentile-metrics has {name!r:.80}: want some of {', '.join(METRICS)}")
    return names


def read_wanted(result: ResultFlags) -> Wanted:
    """Percentiles and bounds; raises RequestError for what is none."""
    try:
        percentiles = tuple(float(part) for part in result.metric_percentiles.split(","))
        bounds = {name: float(most) for name, most in _split(result.goodput, ":", "--goodput").items()}
    except ValueError as error:
        if isinstance(error, RequestError):
            raise
        raise RequestError(f"--metric-percentiles and --goodput take numbers: {error}") from None
    if not all(0 <= each <= 100 for each in percentiles):
        raise RequestError(f"--metric-percentiles is {result.metric_percentiles}: want numbers from 0 to 100")
    if not set(bounds) <= set(METRICS) - {"itl"}:
        raise RequestError(f"--goodput knows ttft, tpot and e2el, not {', '.join(sorted(set(bounds)))}")
    return Wanted(percentiles=percentiles, goodput=bounds or None)


def _split(pairs: Sequence[str] | None, mark: str, flag: str) -> dict[str, str]:
    found = dict(pair.partition(mark)[::2] for pair in pairs or ())
    if not all(name and value for name, value in found.items()):
        raise RequestError(f"{flag} is {' '.join(pairs or ())!r:.80}: want NAME{mark}VALUE")
    return found


def open_target(target: TargetFlags) -> BenchTarget:
    """The server, the name of its model and what every request says; raises ServerError where nobody answers."""
    endpoint = find_endpoint(target.base_url)
    with Remote(endpoint) as remote:
        model = remote.choose_model(target.model)
    settings = {"model": model, "temperature": target.temperature} | ({"ignore_eos": True} if target.ignore_eos else {})
    chat = target.backend == "openai-chat"
    return BenchTarget(endpoint=endpoint, path=PATHS[target.backend], chat=chat, settings=settings)


def draw_requests(load: LoadFlags, *, chat: bool) -> list[BenchRequest]:
    """The requests that the flags describe."""
    generator = np.random.default_rng(load.seed)
    lengths = Lengths(prompt=load.random_input_len, output=load.random_output_len, ratio=load.random_range_ratio)
    if load.dataset_name == "custom":
        if load.dataset_path is None:
            raise RequestError('--dataset-name custom needs --dataset-path FILE, with lines of {"prompt": "..."}')
        return bench_prompts.custom_prompts(load.dataset_path, load.num_prompts, load.random_output_len)
    if load.dataset_name == "corpus":
        texts = bench_prompts.read_texts(load.dataset_path)
        return bench_prompts.corpus_pieces(load.num_prompts, lengths, generator, texts)
    if chat:
        return bench_prompts.random_words(load.num_prompts, lengths, generator, bench_prompts.read_texts(None))
    return bench_prompts.random_tokens(load.num_prompts, lengths, generator)


def _facts(target: TargetFlags, load: LoadFlags, opened: BenchTarget, rate: float) -> Figures:
    return {
        "date": datetime.now(UTC).strftime("%Y%m%d-%H%M%S"),
        "endpoint_type": target.backend,
        "backend": target.backend,
        "base_url": opened.endpoint.url,
        "model_id": opened.settings["model"],
        "dataset_name": load.dataset_name,
        "num_prompts": load.num_prompts,
        "request_rate": rate if math.isfinite(rate) else "inf",
        "burstiness": load.burstiness,
        "max_concurrency": load.max_concurrency,
        "seed": load.seed,
    }


def keep(document: Any, result: ResultFlags, rates: Sequence[float]) -> Path | None:
    """Writes the figures where the flags say so; returns the file, None where there is to be none."""
    if not (result.save_result or result.save_detailed or result.result_filename):
        return None
    first = document[0] if isinstance(document, list) else document
    told = "-".join(f"{rate:g}qps" for rate in rates)
    name = result.result_filename or f"{first['backend']}-{told}-{Path(first['model_id']).name}-{first['date']}.json"
    folder = result.result_dir or Path()
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(json.dumps(document) + "\n", encoding="utf-8")
    return path


def tables(runs: Sequence[Figures], shown: Sequence[str], wanted: Wanted) -> list[Any]:
    """One line a rate with what the server got done, and one a rate and metric with how long its callers waited."""
    done = figures("rate", "done", "failed", "seconds", "requests/s", "output tokens/s", "all tokens/s")
    if wanted.goodput:
        done.add_column("good requests/s", justify="right")
    for run in runs:
        good = [f"{run['request_goodput']:.2f}"] if wanted.goodput else []
        done.add_row(
            _rate(run), f"{run['completed']:,}", f"{run['failed']:,}", f"{run['duration']:.1f}",
            f"{run['request_throughput']:.2f}", f"{run['output_throughput']:,.0f}",
            f"{run['total_token_throughput']:,.0f}", *good,
        )  # fmt: skip
    waits = _waits(runs, shown, wanted)
    return [done, *(["", waits] if shown else [])]


def _waits(runs: Sequence[Figures], shown: Sequence[str], wanted: Wanted) -> Table:
    columns = ["mean", "median", *(f"p{percentile:g}" for percentile in wanted.percentiles)]
    table = figures("rate", "ms", *columns)
    for run in runs:
        for place, name in enumerate(shown):
            values = [f"{run[f'{column}_{name}_ms']:,.2f}" for column in columns]
            table.add_row("" if place else _rate(run), name, *values)
    return table


def _rate(run: Figures) -> str:
    rate = run["request_rate"]
    return rate if isinstance(rate, str) else f"{rate:g}"
