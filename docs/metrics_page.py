"""Writes docs/metrics.md from the table of metrics: ``python docs/metrics_page.py``. A test compares the two."""

import json
from pathlib import Path
from typing import Any

from octavo.server.telemetry.metric_names import METRICS, Metric

PAGE = Path(__file__).parent / "metrics.md"
RESULTS = Path(__file__).parent.parent / "benchmarks" / "results" / "observing.json"
OPENING = """\
# Metrics

`octavo serve` answers `GET /metrics` in Prometheus' text format (with a key, where the server wants keys). Names that
vLLM has too mean the same and have the same labels, with our prefix in place of vLLM's; `--metrics-prefix vllm` lets
boards and alerts that were made for vLLM run as they are.

    octavo:NAME{model_name="octavo-mini", engine="0", ...}

What is counted of requests is what their clients are told: `prompt_tokens_total` and `generation_tokens_total` are the
sums of `usage`, and `request_success_total` counts choices by their `finish_reason` (a call of tools is a `stop`), all
of it before the answer that says so is sent. A request with `n` choices has `n` ends, and its prompt counts once. What
a client left is an `abort`, and has no latency. `benchmarks/promises/counts.py` asks a server 2,000 times and holds its
metrics to the clients' own count.

A request's times begin when its prompt is encoded and goes to the engine. `router_entropy`, `expert_load_cv` and
`expert_load_max_violation` are measured over the last minute and are not there when no token was read in it; since the
start they follow from `moe_expert_selection_counter_total`. Their formulas are those of
[statistics.md](statistics.md) (`load`, entropy as plug-in).
"""
BOARD = """\
## A board

`examples/grafana.json` is a board for Grafana 10 and later: throughput, latencies, queue and cache, and the experts: a
heat map of every expert's share by layer, one layer over time, entropy and imbalance. Import it, choose your Prometheus
and the prefix. `examples/prometheus.yml` scrapes a server on this machine:

    prometheus --config.file=examples/prometheus.yml

`tests/test_board.py` starts Debian's Prometheus on a server under traffic and asks it every query of the board, under
both prefixes. (It found that a scraper must not be given OpenMetrics here: the library writes the colon of the names as
an underscore there. So `/metrics` is in the text format 0.0.4, whatever is asked for.)
"""
GROUPS: tuple[tuple[str, str], ...] = (
    ("Requests", "From receipt to answer."),
    ("Engine and cache", "Of the process that runs the model, as of its last step."),
    ("Experts", "Counted at every step for every token that the model reads, whoever sent it."),
    ("Live traces", "Only where the server has `--trace-dir`."),
)


def group_of(metric: Metric) -> str:
    """Under which heading a metric stands."""
    name = metric.name
    if name.startswith("traced"):
        return "Live traces"
    if "expert" in name or "router" in name:
        return "Experts"
    engine = ("num_requests", "kv_", "cache_", "num_preemptions", "prefix_", "iteration_", "engine_")
    return "Engine and cache" if name.startswith(engine) else "Requests"


def row(metric: Metric) -> str:
    """One metric in its table; those that vLLM has none of are marked."""
    name = f"`{metric.shown}`{' *' * metric.ours}"
    labels = ", ".join(f"`{label}`" for label in metric.labels)
    return f"| {name} | {metric.kind} | {metric.unit} | {labels} | {metric.says} |"


def buckets() -> list[str]:
    """The bounds of the histograms, those that share them together."""
    shared: dict[tuple[float, ...], list[str]] = {}
    for metric in METRICS:
        if metric.bounds:
            shared.setdefault(metric.bounds, []).append(f"`{metric.name}`")
    lines = ["## Buckets", "", "Upper bounds; all of vLLM's are among them.", ""]
    for bounds, names in shared.items():
        lines += [f"- {', '.join(names)}: {', '.join(f'{bound:g}' for bound in bounds)}"]
    return lines


def cost(found: dict[str, Any]) -> list[str]:
    """What counting costs, as it was measured."""
    lines = [
        "## What it costs",
        "",
        "| octavo-mini on a CPU | counting | and recording every request |",
        "|---|---:|---:|",
    ]
    for figure in found["figures"]:
        counting, tracing = (
            f"{each['median']:+.1%} ({each['from']:+.1%} to {each['to']:+.1%})"
            for each in (figure["cost_of_counting"], figure["cost_of_tracing_all"])
        )
        lines.append(f"| {figure['figure']} | {counting} | {tracing} |")
    scrapes = found["milliseconds_a_scrape"]
    lines += [
        "",
        "Processor time beside the bare engine's, all three ways by turns in one process; the median of",
        f"{found['rounds']} rounds on a busy machine, with its interval of 95 %. The aim for counting is",
        f"{found['limit']:.0%}, which a lone sequence of so small a model misses: its step takes milliseconds, and",
        f"the same work is a smaller share of a longer one. A scrape takes {scrapes['octavo-mini']:.1f} ms, with the",
        f"layers of Mixtral-8x7B {scrapes['mixtral-8x7b']:.1f} ms.",
        f"*{found['device']}, {found['cores']} cores; Python {found['python']}, torch {found['torch']};",
        f"{found['date']}, commit {found['commit'][:10]}: `benchmarks/observing.py`.*",
    ]
    return lines


def page() -> str:
    """The whole page."""
    lines = [OPENING]
    for heading, says in GROUPS:
        lines += [f"## {heading}", "", says, "", "| name | kind | unit | labels | |", "|---|---|---|---|---|"]
        lines += [row(metric) for metric in METRICS if group_of(metric) == heading]
        lines.append("")
    lines += ["\\* vLLM has no metric of this name.", ""]
    lines += [*buckets(), "", *cost(json.loads(RESULTS.read_text(encoding="utf-8"))), "", BOARD]
    return "\n".join(lines)


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
