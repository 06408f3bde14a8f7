"""Writes grafana.json, the board of an Octavo server: python examples/grafana_board.py

Every query stands here once, with $prefix for the metrics' prefix (octavo or vllm), so one board serves both.
"""

import json
from pathlib import Path
from typing import Any

Panel = dict[str, Any]
SOURCE = {"type": "prometheus", "uid": "${datasource}"}
ONE = '{model_name=~"$model_name"}'
RATE = "[$__rate_interval]"
LATENCIES = ((0.5, "half within"), (0.9, "90 % within"), (0.99, "99 % within"))


def rate(name: str, by: str = "", where: str = ONE) -> str:
    """The sum of a counter's rates, a second."""
    return f"sum{f' by ({by}) ' if by else ''}(rate($prefix:{name}{where}{RATE}))"


def value(name: str, by: str = "") -> str:
    """The sum of a gauge."""
    return f"sum{f' by ({by}) ' if by else ''}($prefix:{name}{ONE})"


def quantile(share: float, name: str) -> str:
    """The value that so much of a histogram's values do not pass."""
    return f"histogram_quantile({share}, {rate(f'{name}_bucket', 'le')})"


def mean(name: str) -> str:
    """The mean of a histogram's values."""
    return f"{rate(f'{name}_sum')} / {rate(f'{name}_count')}"


def panel(title: str, kind: str, says: str, queries: list[tuple[str, str]], **more: Any) -> Panel:
    """A panel of one or several queries, each with its legend."""
    unit, options = more.pop("unit", "short"), more.pop("options", {})
    defaults = {"unit": unit, "custom": more.pop("custom", {}), **more.pop("defaults", {})}
    extra = more.pop("target", {})
    return {
        "title": title,
        "type": kind,
        "description": says,
        "datasource": SOURCE,
        "fieldConfig": {"defaults": defaults, "overrides": []},
        "options": options,
        "targets": [
            {"refId": chr(65 + place), "datasource": SOURCE, "expr": query, "legendFormat": legend, **extra}
            for place, (query, legend) in enumerate(queries)
        ],
        **more,
    }


def lines(title: str, says: str, queries: list[tuple[str, str]], *, stack: str = "none", **more: Any) -> Panel:
    """Values over time; stacked where they add up."""
    custom = {
        "drawStyle": "line",
        "lineWidth": 1.5,
        "fillOpacity": 8 if stack == "none" else 45,
        "showPoints": "never",
        "stacking": {"mode": stack, "group": "A"},
    }
    options = {
        "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True},
        "tooltip": {"mode": "multi", "sort": "desc"},
    }
    return panel(title, "timeseries", says, queries, custom=custom, options=options, **more)


def number(title: str, says: str, query: str, *, steps: list[tuple[str, float | None]], **more: Any) -> Panel:
    """One number with its course behind it, coloured from each step on."""
    options = {
        "colorMode": "value",
        "graphMode": "area",
        "reduceOptions": {"calcs": ["lastNotNull"], "fields": "", "values": False},
    }
    thresholds = {"mode": "absolute", "steps": [{"color": colour, "value": start} for colour, start in steps]}
    defaults = {"thresholds": thresholds, "color": {"mode": "thresholds"}, **more.pop("defaults", {})}
    return panel(title, "stat", says, [(query, "")], options=options, defaults=defaults, **more)


def latencies(title: str, says: str, name: str) -> Panel:
    """How long something takes: for half, for most, for almost all."""
    return lines(title, says, [(quantile(share, name), legend) for share, legend in LATENCIES], unit="s")


PLAIN: list[tuple[str, float | None]] = [("blue", None)]
BAD_ABOVE_0: list[tuple[str, float | None]] = [("green", None), ("red", 1)]
FULL: list[tuple[str, float | None]] = [("green", None), ("orange", 0.8), ("red", 0.95)]

OVERVIEW = [
    number("Written", "Tokens of outputs.", rate("generation_tokens_total"), steps=PLAIN, unit="tok/s"),
    number("Read", "Tokens of prompts.", rate("prompt_tokens_total"), steps=PLAIN, unit="tok/s"),
    number("Outputs", "Outputs that ended.", rate("request_success_total"), steps=PLAIN, unit="ops"),
    number(
        "First token",
        "95 % of requests had their first token within.",
        quantile(0.95, "time_to_first_token_seconds"),
        steps=[("green", None), ("orange", 1), ("red", 5)],
        unit="s",
    ),
    number("Cache in use", "Pages that sequences hold.", f"max({value('kv_cache_usage_perc')})", steps=FULL,
           unit="percentunit", defaults={"min": 0, "max": 1}),
    number("Leaked pages", "Held though no request is open: 0, or Octavo has a bug.", value("kv_blocks_leaked"),
           steps=BAD_ABOVE_0),
]  # fmt: skip

SPEED = [
    lines(
        "Tokens",
        "Tokens a second, of prompts and of outputs.",
        [(rate("prompt_tokens_total"), "read"), (rate("generation_tokens_total"), "written")],
        unit="tok/s",
    ),
    lines(
        "Outputs by how they ended",
        "stop: by themselves; length: at their limit; abort: nobody waited any more; error: engine or numbers failed.",
        [(rate("request_success_total", "finished_reason"), "{{finished_reason}}")],
        stack="normal",
        unit="ops",
    ),
    lines(
        "Where a request's time goes",
        "Mean seconds in the queue, reading the prompt, writing the outputs.",
        [
            (mean("request_queue_time_seconds"), "queue"),
            (mean("request_prefill_time_seconds"), "prompt"),
            (mean("request_decode_time_seconds"), "outputs"),
        ],
        stack="normal",
        unit="s",
    ),
    latencies(
        "Time to the first token",
        "From a request's handing over to the engine to its first token.",
        "time_to_first_token_seconds",
    ),
    latencies("Time from token to token", "Of one output.", "inter_token_latency_seconds"),
    latencies(
        "Time of a whole request",
        "From its handing over to the engine to the end of its last output.",
        "e2e_request_latency_seconds",
    ),
]

QUEUE = [
    lines(
        "Sequences",
        "In the engine's batches, and in its queue.",
        [(value("num_requests_running"), "running"), (value("num_requests_waiting"), "waiting")],
    ),
    lines(
        "Cache",
        "Pages in use, and the share of tokens that were remembered from earlier prompts.",
        [
            (f"max({value('kv_cache_usage_perc')})", "pages in use"),
            (f"{rate('prefix_cache_hits_total')} / {rate('prefix_cache_queries_total')}", "tokens remembered"),
        ],
        unit="percentunit",
        defaults={"min": 0, "max": 1},
    ),
    lines(
        "Refused and put off",
        "Requests refused, by why; sequences that gave their pages back for others; steps of the engine that failed.",
        [
            (rate("requests_rejected_total", "reason"), "{{reason}}"),
            (rate("num_preemptions_total"), "preempted"),
            (rate("engine_failed_steps_total"), "failed steps"),
        ],
        unit="ops",
    ),
    lines(
        "Steps of the engine",
        "Mean tokens that a step reads.",
        [(mean("iteration_tokens_total"), "tokens a step")],
    ),
    latencies("Time of a step", "The engine's own, without HTTP.", "engine_step_seconds"),
    lines(
        "Sizes of requests",
        "Mean tokens of prompts and outputs.",
        [(mean("request_prompt_tokens"), "prompt"), (mean("request_generation_tokens"), "output")],
    ),
]

SELECTED = "moe_expert_selection_counter_total"
CHOSEN = f"sum by (layer, expert) (increase($prefix:{SELECTED}{ONE}[$__range]))"
OF_LAYER = f"sum by (layer) (increase($prefix:{SELECTED}{ONE}[$__range]))"
LAYER = '{model_name=~"$model_name", layer="$layer"}'

EXPERTS = [
    panel(
        "Share of each expert, by layer",
        "table",
        "How the time range's tokens were shared among the experts of each layer (rows); alike is 1 / experts.",
        [(f"{CHOSEN} / ignoring (expert) group_left {OF_LAYER}", "")],
        target={"instant": True, "range": False, "format": "table"},
        unit="percentunit",
        defaults={"decimals": 0, "min": 0, "max": 0.5, "color": {"mode": "continuous-BlYlRd"}},
        custom={"cellOptions": {"type": "color-background", "mode": "basic"}, "align": "center", "width": 64},
        options={"cellHeight": "sm", "showHeader": True},
        transformations=[
            {"id": "convertFieldType", "options": {"conversions": [
                {"targetField": "layer", "destinationType": "number"},
                {"targetField": "expert", "destinationType": "number"},
            ]}},
            # Two stable sorts: rows end in the order of layers, and columns appear in the order of experts.
            {"id": "sortBy", "options": {"sort": [{"field": "expert"}]}},
            {"id": "sortBy", "options": {"sort": [{"field": "layer"}]}},
            {"id": "groupingToMatrix",
             "options": {"rowField": "layer", "columnField": "expert", "valueField": "Value", "emptyValue": "zero"}},
        ],
    ),
    panel(
        "Experts of layer $layer over time",
        "heatmap",
        "Share of each expert of the chosen layer.",
        [(f"{rate(SELECTED, 'expert', LAYER)} / scalar({rate(SELECTED, '', LAYER)})", "{{expert}}")],
        options={
            "calculate": False,
            "color": {"mode": "scheme", "scheme": "RdYlBu", "reverse": True, "steps": 64, "min": 0, "max": 0.5},
            "rowsFrame": {"layout": "unknown"},
            "cellGap": 1,
            "cellValues": {"unit": "percentunit", "decimals": 0},
            "yAxis": {"axisLabel": "expert", "reverse": True},
            "tooltip": {"mode": "single"},
            "legend": {"show": True},
        },
    ),
    lines(
        "Router entropy by layer",
        "Bits of each layer's choice in the last minute; log2 of the number of experts when all are used alike.",
        [(f"avg by (layer) ($prefix:router_entropy{ONE})", "layer {{layer}}")],
        defaults={"min": 0, "decimals": 2},
    ),
    lines(
        "How uneven the experts' loads are, by layer",
        "Coefficient of variation in the last minute: 0 when all are used alike.",
        [(f"avg by (layer) ($prefix:expert_load_cv{ONE})", "layer {{layer}}")],
        defaults={"min": 0, "decimals": 2},
    ),
    lines(
        "The busiest expert of each layer",
        "How far it is above the mean load in the last minute, as a part of the mean.",
        [(f"max by (layer) ($prefix:expert_load_max_violation{ONE})", "layer {{layer}}")],
        defaults={"min": 0, "decimals": 2},
    ),
    lines(
        "Traced outputs",
        "Where the server has --trace-dir: outputs that reached the disk, and outputs that were lost.",
        [(rate("traced_documents_total", "outcome"), "{{outcome}}")],
        unit="ops",
    ),
]  # fmt: skip

ROWS: list[tuple[str, list[Panel], list[tuple[int, int]]]] = [
    ("Now", OVERVIEW, [(4, 4)] * 6),
    ("Speed", SPEED, [(8, 8)] * 6),
    ("Queue, cache and engine", QUEUE, [(8, 7)] * 6),
    ("Experts", EXPERTS, [(12, 12), (12, 12), (12, 8), (12, 8), (12, 8), (12, 8)]),
]


def variable(name: str, label: str, kind: str, **more: Any) -> dict[str, Any]:
    """A choice at the board's top."""
    return {"name": name, "label": label, "type": kind, **more}


def variables() -> list[dict[str, Any]]:
    """What is chosen: where the numbers are, the prefix, the models, and the layer of one panel."""
    prefixes = [{"text": name, "value": name, "selected": name == "octavo"} for name in ("octavo", "vllm")]
    models = "label_values($prefix:num_requests_running, model_name)"
    layers = f"label_values($prefix:{SELECTED}, layer)"
    return [
        variable("datasource", "Prometheus", "datasource", query="prometheus"),
        variable("prefix", "Prefix", "custom", query="octavo,vllm", options=prefixes, current=prefixes[0]),
        variable("model_name", "Model", "query", query=models, datasource=SOURCE, refresh=2, multi=True,
                 includeAll=True, allValue=".*", current={"text": "All", "value": "$__all"}),
        variable("layer", "Layer", "query", query=layers, datasource=SOURCE, refresh=2, sort=3,
                 current={"text": "0", "value": "0"}),
    ]  # fmt: skip


def board() -> dict[str, Any]:
    """The whole board."""
    panels: list[Panel] = []
    y = 0
    for title, held, sizes in ROWS:
        panels.append({"title": title, "type": "row", "collapsed": False, "panels": [],
                       "gridPos": {"x": 0, "y": y, "w": 24, "h": 1}})  # fmt: skip
        y += 1
        x = height = 0
        for each, (width, tall) in zip(held, sizes, strict=True):
            if x + width > 24:
                x, y = 0, y + height
            panels.append({**each, "gridPos": {"x": x, "y": y, "w": width, "h": tall}})
            x, height = x + width, tall
        y += height
    return {
        "title": "Octavo",
        "uid": "octavo",
        "description": "What an Octavo server does, how fast, and which experts do it.",
        "tags": ["octavo", "mixture of experts"],
        "schemaVersion": 39,
        "version": 1,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "10s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": variables()},
        "panels": [{"id": place, **each} for place, each in enumerate(panels, start=1)],
    }


if __name__ == "__main__":
    path = Path(__file__).with_name("grafana.json")
    path.write_text(json.dumps(board(), indent=1) + "\n", encoding="utf-8")
    print(f"{path.name}: {len(board()['panels'])} panels")
