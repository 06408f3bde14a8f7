"""What a run at one rate comes to, under the names that ``vllm bench serve`` gives to its figures.

    ttft   to the first token
    tpot   for each token after the first: (latency - ttft) / (tokens - 1)
    itl    between two pieces of text that came one after the other
    e2el   from sending to the last token

All of them in milliseconds, over the requests that ended well.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from octavo.client.timing import Timed

METRICS = ("ttft", "tpot", "itl", "e2el")


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Which percentiles to tell, and the milliseconds that a good request stays within, by metric."""

    percentiles: tuple[float, ...] = (99.0,)
    goodput: Mapping[str, float] | None = None


def summarise(timed: Sequence[Timed], duration: float, wanted: Wanted) -> dict[str, Any]:
    """The figures of one run that took ``duration`` seconds."""
    good = [each for each in timed if not each.error]
    inputs, outputs = (sum(each) for each in ([one.prompt_tokens for one in good], [one.output_tokens for one in good]))
    figures: dict[str, Any] = {
        "duration": duration,
        "completed": len(good),
        "failed": len(timed) - len(good),
        "total_input_tokens": inputs,
        "total_output_tokens": outputs,
        "request_throughput": len(good) / duration,
        "request_goodput": _num_within(good, wanted.goodput) / duration if wanted.goodput else None,
        "output_throughput": outputs / duration,
        "total_token_throughput": (inputs + outputs) / duration,
        "max_output_tokens_per_s": _busiest_second(good),
        "max_concurrent_requests": _most_at_once(good),
    }
    for name in METRICS:
        values = np.array([value for one in good for value in _values(one, name)]) * 1e3
        figures[f"mean_{name}_ms"] = _figure(np.mean, values)
        figures[f"median_{name}_ms"] = _figure(np.median, values)
        figures[f"std_{name}_ms"] = _figure(np.std, values)
        for percentile in wanted.percentiles:
            figures[f"p{percentile:g}_{name}_ms"] = float(np.percentile(values, percentile)) if len(values) else 0.0
    return figures


def details(timed: Sequence[Timed]) -> dict[str, Any]:
    """Every request by itself."""
    return {
        "input_lens": [each.prompt_tokens for each in timed],
        "output_lens": [each.output_tokens for each in timed],
        "ttfts": [each.ttft for each in timed],
        "itls": [list(each.itl) for each in timed],
        "start_times": [each.started for each in timed],
        "generated_texts": [each.text for each in timed],
        "errors": [each.error for each in timed],
    }


def _figure(of: Any, values: np.ndarray) -> float:
    return float(of(values)) if len(values) else 0.0


def _values(one: Timed, name: str) -> Sequence[float]:
    if name == "itl":
        return one.itl
    if name == "tpot":
        return [(one.latency - one.ttft) / (one.output_tokens - 1)] if one.output_tokens > 1 else []
    return [one.ttft if name == "ttft" else one.latency]


def _num_within(good: Sequence[Timed], bounds: Mapping[str, float]) -> int:
    return sum(all(max(_values(one, name), default=0.0) * 1e3 <= most for name, most in bounds.items()) for one in good)


def _busiest_second(good: Sequence[Timed]) -> float:
    """Most pieces of text in one second of the run."""
    if not good:
        return 0.0
    first = min(one.started for one in good)
    moments = [one.started + one.ttft - first + np.cumsum([0.0, *one.itl]) for one in good]
    return float(np.bincount(np.concatenate(moments).astype(int)).max())


def _most_at_once(good: Sequence[Timed]) -> int:
    events = [(one.started, 1) for one in good] + [(one.started + one.latency, -1) for one in good]
    running = most = 0
    for _, change in sorted(events):
        running += change
        most = max(most, running)
    return most
