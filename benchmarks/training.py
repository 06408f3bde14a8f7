"""Measures training: tokens a second of octavo-mini's step, forward, backward and optimizer, on text of random ids.

Refuses to time when the fast ops disagree with the references. Writes one JSON object with its provenance to standard
output.

    python benchmarks/training.py --batch-tokens 131072 --steps 30
"""

import argparse
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from provenance import provenance

from octavo.batch import Batch
from octavo.config import mini
from octavo.ops import REFERENCE, Ops, best
from octavo.training.config import TrainConfig
from octavo.training.tokens import TokenShard
from octavo.training.train import Run


def random_text(vocab_size: int, *, documents: int = 4000, seed: int = 0) -> tuple[TokenShard, ...]:
    """Documents of the lengths that real ones have (median about 900 tokens), in two domains."""
    rng = np.random.default_rng(seed)
    shards = []
    for domain in ("one", "two"):
        lengths = np.clip(rng.lognormal(6.8, 1.1, documents), 60, 8000).astype(np.int64)
        starts = np.concatenate([[0], lengths.cumsum()])
        # Zipf's law, as words have it, so that some rows of the embedding are read far more than others.
        ids = np.minimum(rng.zipf(1.1, starts[-1]), vocab_size - 1).astype(np.uint16)
        shards.append(TokenShard(domain, Path(domain), ids, starts, lengths * 3))
    return tuple(shards)


def error(x: torch.Tensor, want: torch.Tensor) -> float:
    return float((x.float() - want.float()).norm() / want.float().norm())


def check(ops: Ops, device: torch.device) -> dict[str, list[float]]:
    """Error of the fast ops and of the references in bfloat16, against the references in float32; raises when
    ours is worse."""
    found = {}
    for name, inputs, run in cases(device):
        exact, theirs, ours = (
            run(used, [x.detach().to(dtype) if x.is_floating_point() else x for x in inputs])
            for used, dtype in ((REFERENCE, torch.float32), (REFERENCE, torch.bfloat16), (ops, torch.bfloat16))
        )
        for i, (x, reference, want) in enumerate(zip(ours, theirs, exact, strict=True)):
            found[f"{name}.{i}"] = [error(x, want), error(reference, want)]
            if not error(x, want) <= 2 * error(reference, want) + 1e-6:
                raise SystemExit(f"{name}.{i} is off by {found[f'{name}.{i}']}: not timed")
    return found


def cases(device: torch.device) -> Any:
    """Attention over odd lengths and empty sequences; experts with an uneven load and an idle one; with gradients."""
    torch.manual_seed(0)
    lengths = torch.tensor([700, 1, 0, 513, 64, 299, 2048, 17, 0, 0])
    start = torch.cat([torch.zeros(1, dtype=torch.int64), lengths.cumsum(0)]).int().to(device)
    T = int(lengths.sum())
    batch = Batch(torch.zeros(T, dtype=torch.int64, device=device), torch.zeros(T, device=device).long(), start, 2048)

    def gradients(y: torch.Tensor, leaves: list[torch.Tensor]) -> list[torch.Tensor]:
        generator = torch.Generator(device).manual_seed(1)
        probe = torch.randn(y.shape, generator=generator, device=device).to(y.dtype)
        return [y.detach(), *torch.autograd.grad(y, leaves, probe)]

    def attend(ops: Ops, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        leaves = [x.requires_grad_() for x in inputs]
        return gradients(ops.packed_attention(*leaves, batch, None), leaves)

    yield "attention", [torch.randn(T, heads, 64, device=device) for heads in (4, 2, 2)], attend
    chosen = torch.rand(T, 8, device=device).mul(torch.tensor([9, 5, 4, 3, 2, 2, 1, 0], device=device)).topk(2).indices
    weight = torch.rand(T, 2, device=device)

    def read(ops: Ops, inputs: list[torch.Tensor]) -> list[torch.Tensor]:
        x, w13, w2 = (leaf.requires_grad_() for leaf in inputs)
        return gradients(ops.experts(x, chosen, weight, w13, w2), [x, w13, w2])

    shapes = ((T, 256), (8, 480, 256), (8, 256, 240))
    yield "experts", [torch.randn(shape, device=device) / shape[-1] ** 0.5 for shape in shapes], read


def measure(config: TrainConfig, device: torch.device, *, steps: int, repeats: int) -> dict[str, Any]:
    """Seconds to the end of the first step, and the speed of several stretches of ``steps``."""
    run = Run(config, random_text(config.model.vocab_size), device)
    began = time.perf_counter()
    run.progress.start()
    for _ in range(3):
        run.advance(None)
    run.progress.pause()
    run.progress.report()
    first = time.perf_counter() - began
    reports = []
    for _ in range(repeats):
        run.progress.start()
        for _ in range(steps):
            run.advance(None)
        run.progress.pause()
        reports.append(run.progress.report())
    speeds = sorted(report.tokens_per_second for report in reports)
    return {
        "tokens_per_second": speeds[len(speeds) // 2],
        "spread": [speeds[0], speeds[-1]],
        "mfu": reports[-1].mfu,
        "first_steps_seconds": first,
        "loss": reports[-1].cross_entropy,
        "peak_memory_gib": torch.cuda.max_memory_allocated(device) / 2**30 if device.type == "cuda" else None,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--batch-tokens", type=int, default=131072)
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--dense", action="store_true")
    parser.add_argument("--optimizer", choices=("adamw", "muon"), default="muon")
    options = parser.parse_args()
    device = torch.device(options.device)
    found: dict[str, Any] = {"benchmark": "training", "options": vars(options), **provenance(device)}
    if device.type == "cuda":
        found["errors"] = check(best(device, torch.bfloat16), device)
    config = TrainConfig(
        model=replace(mini(num_experts=0 if options.dense else 8)),
        tokenizer="",
        tokens=10**9,
        batch_tokens=options.batch_tokens,
        optimizer=options.optimizer,
    )
    found |= measure(config, device, steps=options.steps, repeats=options.repeats)
    print(json.dumps(found))


if __name__ == "__main__":
    main()
