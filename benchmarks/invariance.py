"""Serves the same prompts in every way that the engine knows and compares what comes out, token by token.

Alone is the measure. A token is held to it as long as every choice so far was clear: the best next token, and the last
expert chosen, ahead of the next by more than the margin. The rest is counted. With --batch-invariant nothing is excused
and tokens, experts and weights must be equal to the bit.

    python benchmarks/invariance.py --prompts 1000 --output benchmarks/results/invariance.json
"""

import argparse
import json
import random
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from provenance import provenance

from octavo import LLM, SamplingParams
from octavo.api.outputs import RequestOutput

MARGIN = 1e-4
WAYS: dict[str, dict[str, Any]] = {
    "together": {"max_num_seqs": 64},
    "in chunks": {"max_num_seqs": 16, "max_num_batched_tokens": 48},
    "after others": {"max_num_seqs": 16, "enable_prefix_caching": True},
    "preempted": {"max_num_seqs": 32, "num_pages": 60},
}


def prompts_of(count: int, seed: int) -> list[list[int]]:
    """Pieces of the texts that the package brings: many begin alike, as the prompts of one service do."""
    draw = random.Random(seed)
    tokenizer = LLM().tokenizer
    assert tokenizer is not None
    folder = Path(__file__).parent.parent / "octavo" / "samples"
    stems = [tokenizer.encode(path.read_text(encoding="utf-8")) for path in sorted(folder.rglob("*.*"))]
    found = []
    for _ in range(count):
        ids = draw.choice(stems)
        start = draw.choice((0, 0, draw.randrange(max(1, len(ids) - 8))))
        found.append(ids[start : start + draw.randint(2, 120)])
    return found


def margins(output: RequestOutput, k: int) -> Iterator[float]:
    """How clear each choice was up to each chosen token: the least margin of all that came before."""
    (one,) = output.outputs
    least = experts_clear(output.prompt_router_logits, k)
    assert one.logprobs is not None
    assert one.router_logits is not None
    for place, named in enumerate(one.logprobs):
        best = sorted((each.logprob for each in named.values()), reverse=True)
        least = min(least, best[0] - best[1])
        yield least
        if place + 1 < len(one.logprobs):
            least = min(least, experts_clear(one.router_logits[place : place + 1], k))


def experts_clear(logits_TLE: np.ndarray | None, k: int) -> float:
    """The least distance between neighbours of the first k + 1 experts."""
    assert logits_TLE is not None
    ranked = -np.sort(-logits_TLE, axis=-1)[..., : k + 1]
    return float(-np.diff(ranked, axis=-1).max(initial=-np.inf))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--prompts", type=int, default=1000)
    parser.add_argument("--tokens", type=int, default=24)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--batch-invariant", action="store_true")
    parser.add_argument("--output", type=Path)
    chosen = parser.parse_args()
    prompts = prompts_of(chosen.prompts, chosen.seed)
    shared = {"device": chosen.device, "dtype": "float32", "batch_invariant": chosen.batch_invariant}
    greedy = {"temperature": 0.0, "max_tokens": chosen.tokens, "ignore_eos": True, "routing": True}

    def serve(limits: dict[str, Any], **more: Any) -> list[RequestOutput]:
        began = time.perf_counter()
        llm = LLM(**{"enable_prefix_caching": False, **shared, **limits})
        done = llm.generate([{"prompt_token_ids": ids} for ids in prompts], SamplingParams(**greedy, **more))
        scheduler = llm.engine.scheduler
        spent = time.perf_counter() - began
        print(f"{spent:6.1f} s, {scheduler.num_preempted} preempted, {scheduler.num_hit} found", file=sys.stderr)
        return done

    alone = serve({"max_num_seqs": 1}, logprobs=2, router_logits=True)
    k = LLM().config.num_experts_per_tok
    clear = [sum(margin > MARGIN for margin in margins(output, k)) for output in alone]
    found: dict[str, Any] = {}
    for name, limits in WAYS.items():
        found[name] = compare(serve(limits), alone, clear, exact=chosen.batch_invariant)
        print(f"{name}: {found[name]}", flush=True)
    result = {
        "prompts": len(prompts),
        "tokens": chosen.tokens,
        "margin": MARGIN,
        "batch_invariant": chosen.batch_invariant,
        "clear_tokens": sum(clear),
        "all_tokens": len(prompts) * chosen.tokens,
        "ways": found,
        **provenance(LLM(device=chosen.device).engine.runner.device),
    }
    print(json.dumps(result, indent=1))
    if chosen.output:
        chosen.output.write_text(json.dumps(result, indent=1) + "\n")
    sys.exit(any(each["different"] for each in found.values()))


def compare(found: list[RequestOutput], alone: list[RequestOutput], clear: list[int], *, exact: bool) -> dict[str, int]:
    """Counts prompts whose clear tokens differ, and how many of all tokens and of all rows do."""
    different = tokens = rows = 0
    for mine, theirs, held in zip(found, alone, clear, strict=True):
        (one,), (other,) = mine.outputs, theirs.outputs
        upto = len(other.token_ids) if exact else held
        unlike = one.token_ids[:upto] != other.token_ids[:upto]
        for ours, wanted in (
            (mine.prompt_routed_experts, theirs.prompt_routed_experts),
            (one.routed_experts, other.routed_experts),
        ):
            assert ours is not None
            assert wanted is not None
            apart = int((ours != wanted).any(axis=(1, 2)).sum())
            rows += apart
            unlike |= exact and apart > 0
        if exact:
            unlike |= not np.array_equal(one.routed_weights, other.routed_weights)
            unlike |= not np.array_equal(mine.prompt_routed_weights, theirs.prompt_routed_weights)
        different += bool(unlike)
        tokens += sum(a != b for a, b in zip(one.token_ids, other.token_ids, strict=True))
    return {"different": different, "tokens_apart": tokens, "rows_apart": rows}


if __name__ == "__main__":
    main()
