"""Measures the statistics: a trace read and counted in one pass, and counts alone over a text of any length.

Makes a synthetic trace of the shape of Mixtral-8x7B (32 layers, 2 of 8 experts, 10 domains) whose tokens repeat about
as often as the paper says, refuses to time when the one pass disagrees with a plain loop, and writes one JSON object
with its provenance to standard output.

The report's seconds are those of a whole page, words, intervals and all.

    python benchmarks/routing_statistics.py --tokens 1000000 --long-tokens 100000000
"""

import argparse
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from provenance import provenance

from octavo.analysis.accumulators import Accumulators, Contents
from octavo.analysis.chunk import Chunk, Flag
from octavo.analysis.codes import RouteCoding
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.report import write_report
from octavo.analysis.statistics.assignment_share import assignment_share
from octavo.analysis.statistics.load import load
from octavo.analysis.statistics.repetition import repetition
from octavo.analysis.store import DocumentRoutes, RouteTrace, TraceWriter

LAYERS, DOMAINS, VOCABULARY, LENGTH = 32, 10, 32000, 1000
CODING = RouteCoding(8, 2)
MANIFEST = TraceManifest(
    num_experts=8, num_experts_per_tok=2, layers=tuple(range(LAYERS)), vocab_size=VOCABULARY, model="synthetic"
)
LEGAL = np.flatnonzero(CODING.legal_C()).astype(np.uint8)
# Table 5 of the paper lies between 14 and 28 % for first choices; chance is 12.5 %.
STAYS = np.linspace(0.03, 0.17, LAYERS)


def random_codes(rng: np.random.Generator, tokens: int) -> np.ndarray:
    """Route codes by layer: a token keeps the route of the one before it now and then, more so in later layers."""
    code_LT = LEGAL[rng.integers(0, len(LEGAL), (LAYERS, tokens), dtype=np.uint8)]
    for layer, stay in enumerate(STAYS):
        kept_T = np.flatnonzero(rng.random(tokens - 1, dtype=np.float32) < stay) + 1
        code_LT[layer, kept_T] = code_LT[layer, kept_T - 1]
    return code_LT


def documents(tokens: int, seed: int = 0) -> Iterator[DocumentRoutes]:
    """Documents of about a thousand tokens, domain after domain."""
    rng = np.random.default_rng(seed)
    experts_CK = CODING.expert_CK()
    for domain in range(DOMAINS):
        left, number = tokens // DOMAINS, 0
        while left:
            length = min(left, max(2, int(rng.exponential(LENGTH))))
            flag_T = np.zeros(length, np.uint16)
            flag_T[0] = Flag.BOS | Flag.SPECIAL
            yield DocumentRoutes(
                domain=f"domain{domain}",
                name=str(number),
                expert_TLK=experts_CK[random_codes(rng, length).T],
                token_T=rng.integers(0, VOCABULARY, length).astype(np.uint32),
                flag_T=flag_T,
            )
            left, number = left - length, number + 1


def chunks(tokens: int, seed: int = 0) -> Iterator[Chunk]:
    """The same kind of text as chunks in memory, one after another, so that no length of it has to be kept."""
    rng = np.random.default_rng(seed)
    size, experts_CK, number = 131072, CODING.expert_CK(), 0
    per_chunk = size // LENGTH
    start_S1 = np.linspace(0, size, per_chunk + 1).astype(np.int64)
    flag_T = np.zeros(size, np.uint16)
    flag_T[start_S1[:-1]] = Flag.BOS | Flag.SPECIAL
    position_T = (np.arange(size) - np.repeat(start_S1[:-1], np.diff(start_S1))).astype(np.uint32)
    for turn in range(-(-tokens // size)):
        code_LT = random_codes(rng, size)
        yield Chunk(
            domain=f"domain{turn % DOMAINS}",
            document_S=np.arange(number, number + per_chunk, dtype=np.uint32),
            start_S1=start_S1,
            position_T=position_T,
            phase_T=np.zeros(size, np.uint8),
            flag_T=flag_T,
            expert_LTK=experts_CK[code_LT],
            code_LT=code_LT,
            token_T=rng.integers(0, VOCABULARY, size).astype(np.uint32),
        )
        number += per_chunk


def check(trace: RouteTrace, counts: Accumulators) -> None:
    """Raises SystemExit where one domain's counts are not those of a plain loop over its rows."""
    domain, layer = trace.domains[0], 7
    pairs = repeats = either = 0
    chosen = np.zeros(8, int)
    for chunk in trace.chunks(domains=[domain], layers=[layer]):
        route_T = [tuple(route) for route in chunk.expert_LTK[0].tolist()]
        for start, end in zip(chunk.start_S1[:-1].tolist(), chunk.start_S1[1:].tolist(), strict=True):
            for t in range(start + 1, end):
                chosen[list(route_T[t])] += 1
                if t > start + 1:
                    pairs += 1
                    repeats += route_T[t][0] == route_T[t - 1][0]
                    either += bool({*route_T[t]} & {*route_T[t - 1]})
    found = [counts.table("pairs", (domain,))[0], *counts.table("repeats", (domain,))[0, layer, :2]]
    if found != [pairs, repeats, either] or (counts.table("rank", (domain,))[layer].sum(axis=0) != chosen).any():
        raise SystemExit(f"the pass counts {found}, a plain loop {[pairs, repeats, either]}: not timed")


def one_pass(folder: Path) -> tuple[float, Accumulators]:
    """Seconds for shares, repetition at lag 1 and load of all layers and domains, the opening of the trace included."""
    began = time.perf_counter()
    trace = RouteTrace.open(folder)
    counts = Accumulators.over(trace, contents=Contents(layer_pairs=False, vocabulary=False, replicates=0))
    rows = [*assignment_share(counts), *repetition(counts), *load(counts)]
    seconds = time.perf_counter() - began
    expected = LAYERS * DOMAINS * (3 * 8 + 2 + 3)
    if len(rows) != expected:
        raise SystemExit(f"{len(rows)} rows, want {expected}: not timed")
    return seconds, counts


def reading(folder: Path) -> float:
    """Seconds to read the trace and do nothing with it."""
    began = time.perf_counter()
    for _ in RouteTrace.open(folder).chunks():
        pass
    return time.perf_counter() - began


def measure_pass(tokens: int, repeats: int) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "run.route"
        began = time.perf_counter()
        with TraceWriter(folder, MANIFEST) as writer:
            for document in documents(tokens):
                writer.add(document)
            writer.write_vocabulary([f" {token:x}".encode() for token in range(VOCABULARY)], {0})
        wrote = time.perf_counter() - began
        size = sum(path.stat().st_size for path in folder.rglob("*.parquet"))
        trace = RouteTrace.open(folder)
        check(trace, one_pass(folder)[1])
        loads = [os.getloadavg()[0]]
        seconds = sorted(one_pass(folder)[0] for _ in range(repeats))
        read = sorted(reading(folder) for _ in range(repeats))
        began = time.perf_counter()
        page = write_report(RouteTrace.open(folder), Path(place) / "report.html")
        reported, page_bytes = time.perf_counter() - began, page.stat().st_size
        loads.append(os.getloadavg()[0])
    return {
        "tokens": tokens,
        "report_seconds": reported,
        "report_bytes": page_bytes,
        "tokens_per_second": tokens / seconds[len(seconds) // 2],
        "seconds": seconds,
        "reading_seconds": read,
        "bytes_per_token": size / tokens,
        "writing_seconds": wrote,
        "load_average": loads,
    }


def peak() -> float:
    """The most memory this process has held so far, in MiB."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**20


def measure_long(tokens: int) -> dict[str, Any]:
    """Seconds and peak memory of counts alone; making the text is timed apart, and its memory is in the peak."""
    counts = Accumulators(manifest=MANIFEST, contents=Contents(replicates=200))
    counting, began, seen, peaks = 0.0, time.perf_counter(), 0, {}
    for chunk in chunks(tokens):
        start = time.perf_counter()
        counts.add(chunk)
        counting += time.perf_counter() - start
        seen += chunk.num_tokens
        if seen.bit_count() == 1 or seen >= tokens:
            peaks[seen] = round(peak(), 1)
    whole = time.perf_counter() - began
    rows = repetition(counts, by="all", choice=["first"])
    return {
        "tokens": seen,
        "seconds": whole,
        "counting_seconds": counting,
        "tokens_per_second": seen / counting,
        "peak_mib_by_tokens": peaks,
        "table_mib": sum(table.nbytes for tables in counts.tables.values() for table in tables.values()) / 2**20,
        "first_choice_repetition": [round(rows[layer]["value"], 5) for layer in (0, 15, 31)],
        "load_average": os.getloadavg()[0],
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--long-tokens", type=int, default=0, help="tokens of the run with counts alone, as 100000000")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    found: dict[str, Any] = {"benchmark": "routing-statistics", "options": vars(options)}
    found |= provenance(torch.device("cpu"), "numpy", "pyarrow")
    if options.tokens:
        found["one_pass"] = measure_pass(options.tokens, options.repeats)
    if options.long_tokens:
        found["counts_only"] = measure_long(options.long_tokens)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
