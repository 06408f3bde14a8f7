"""Measures the trace on disk: bytes a token by column, and how fast it is written, read, and asked in SQL.

Makes a synthetic trace of the shape of Mixtral-8x7B (32 layers, 2 of 8 experts) whose first choices repeat as often as
the paper's Table 5 and Figure 10 say, and whose weights are those of two logits that differ by a normal gap; refuses to
time when rows do not come back as they were given. Writes one JSON object with its provenance to standard output.

    python benchmarks/trace_store.py --tokens 1000000 --rounds 5
"""

import argparse
import json
import os
import resource
import statistics
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import torch
from provenance import provenance

from octavo.analysis.manifest import TraceManifest
from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter
from octavo.analysis.store.query import asked

LAYERS, DOMAINS, VOCABULARY, LENGTH = 32, 8, 32000, 2048
# Read off Figure 10: first choices that repeat, by layer; 12.5 % is chance.
REPEATS_L = np.interp(np.arange(LAYERS), [0, 9, 15, 18, 31], [0.14, 0.30, 0.26, 0.20, 0.23])
TABLE_5 = """
    SELECT domain, avg((r15 // 8 = p // 8)::INT), avg((r15 // 8 IN (p // 8, p % 8) OR r15 % 8 IN (p // 8, p % 8))::INT)
    FROM (SELECT domain, r15, lag(r15) OVER (PARTITION BY doc_id ORDER BY pos) AS p FROM tokens)
    WHERE p IS NOT NULL GROUP BY domain
"""
SHARES = "SELECT domain, layer, expert, count(*) FROM routes GROUP BY ALL"


def documents(tokens: int) -> Iterator[DocumentRoutes]:
    """Texts of 2,048 tokens, domain after domain."""
    rng = np.random.default_rng(0)
    stay_L = (REPEATS_L - 1 / 8) / (1 - 1 / 8)
    for number in range(tokens // LENGTH):
        fresh_TL = rng.integers(8, size=(LENGTH, LAYERS))
        fresh_TL[1:][rng.random((LENGTH - 1, LAYERS)) < stay_L] = -1
        came_from_TL = np.maximum.accumulate(np.where(fresh_TL < 0, 0, np.arange(LENGTH)[:, None]), axis=0)
        first_TL = np.take_along_axis(fresh_TL, came_from_TL, axis=0)
        second_TL = (first_TL + rng.integers(1, 8, size=first_TL.shape)) % 8
        weight_TL = 1 / (1 + np.exp(-np.abs(rng.normal(size=first_TL.shape))))
        yield DocumentRoutes(
            domain=f"domain{number * DOMAINS * LENGTH // tokens}",
            name=f"texts/{number:06}.txt",
            expert_TLK=np.stack([first_TL, second_TL], axis=-1).astype(np.uint8),
            weight_TLK=np.stack([weight_TL, 1 - weight_TL], axis=-1).astype(np.float32),
            token_T=rng.zipf(1.2, size=LENGTH).clip(0, VOCABULARY - 1).astype(np.uint32),
        )


def bytes_by_column(trace: RouteTrace) -> dict[str, float]:
    """Bytes a token of each kind of column, as compressed in the files, and of the files in all."""
    sizes: Counter[str] = Counter()
    for part in trace.parts:
        footer = pq.read_metadata(part.path)
        for group in range(footer.num_row_groups):
            for place in range(footer.num_columns):
                column = footer.row_group(group).column(place)
                name = column.path_in_schema.rstrip("0123456789")
                sizes[{"r": "routes", "w": "weights"}.get(name, name)] += column.total_compressed_size
        sizes["files"] += part.path.stat().st_size
    return {name: round(size / trace.num_tokens, 3) for name, size in sizes.items()}


def timed(work: Callable[[], Any], tokens: int, rounds: int) -> dict[str, float]:
    """Millions of tokens a second: the median over the rounds, and the range."""
    speeds = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        speeds.append(tokens / (time.perf_counter() - began) / 1e6)
    return {
        name: round(figure(speeds), 3) for name, figure in (("median", statistics.median), ("min", min), ("max", max))
    }


def ask(trace: RouteTrace, query: str) -> list[tuple[Any, ...]]:
    with asked(trace, query) as answer:
        return list(answer.rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    manifest = TraceManifest(
        num_experts=8, num_experts_per_tok=2, layers=tuple(range(LAYERS)), vocab_size=VOCABULARY, has_weights=True
    )
    with tempfile.TemporaryDirectory() as folder:
        given = list(documents(arguments.tokens))
        began = time.perf_counter()
        with TraceWriter(Path(folder) / "x.route", manifest) as writer:
            for each in given:
                writer.add(each)
        written = time.perf_counter() - began
        trace = RouteTrace.open(Path(folder) / "x.route")
        read = next(iter(trace.chunks()))
        if not np.array_equal(read.expert_LTK[:, :LENGTH].swapaxes(0, 1), given[0].expert_TLK):
            sys.exit("rows did not come back as they were given")
        del given, read
        tokens, rounds = trace.num_tokens, arguments.rounds
        results = {
            "tokens": tokens,
            "bytes_per_token": bytes_by_column(trace),
            "million_tokens_per_second": {
                "written": round(tokens / written / 1e6, 3),
                "read, all layers": timed(lambda: [None for _ in trace.chunks()], tokens, rounds),
                "read, all layers and weights": timed(
                    lambda: [None for _ in trace.chunks(weights=True)], tokens, rounds
                ),
                "read, one layer": timed(lambda: [None for _ in trace.chunks(layers=[15])], tokens, rounds),
                "SQL, Table 5 at one layer": timed(lambda: ask(trace, TABLE_5), tokens, rounds),
                "SQL, shares of all layers": timed(lambda: ask(trace, SHARES), tokens, rounds),
            },
            "seconds_to_open": round(
                tokens / 1e6 / timed(lambda: RouteTrace.open(trace.folders[0]), tokens, rounds)["median"], 4
            ),
            "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
            "load_average": os.getloadavg()[0],
            "provenance": provenance(torch.device("cpu"), "numpy", "pyarrow", "duckdb"),
        }
    print(json.dumps(results, indent=1))


if __name__ == "__main__":
    main()
