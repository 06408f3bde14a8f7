"""The whole decoding step for benchmarks/kernels.py: two layers are checked, then all are captured and replayed."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import torch
from gpu_timing import error, seconds
from kernel_ways import BF16, PAGE, batch_of

from octavo.batch import Batch
from octavo.cache import KVCache
from octavo.config import ModelConfig
from octavo.model import Output, Transformer
from octavo.ops import REFERENCE, Ops, gpu, launch
from octavo.ops.attention import triton as attention
from octavo.ops.experts import triton as experts
from octavo.ops.gpu import TRITON
from octavo.ops.linear import triton as linear


def model_of(config: ModelConfig, ops: Ops, device: torch.device, dtype: torch.dtype = BF16) -> Transformer:
    """A model of random weights N(0, 0.02)."""
    torch.set_default_dtype(dtype)
    with device:
        model = Transformer(config, ops)
    torch.set_default_dtype(torch.float32)
    return model.init_weights()


def filled(config: ModelConfig, pages: int, device: torch.device) -> KVCache:
    """A cache of random keys and values."""
    cache = KVCache(config, num_pages=pages, page_size=PAGE, dtype=BF16, device=device)
    cache.key_LPBGH.normal_()
    cache.value_LPBGH.normal_()
    return cache


def check(config: ModelConfig, batch: Batch, device: torch.device) -> dict[str, Any]:
    """Two layers by the kernels, and by the reference in both types: errors of the logits, and choices that differ."""
    small = replace(config, num_layers=2)
    ours = model_of(small, TRITON, device)
    with device:
        theirs, exact = Transformer(small, REFERENCE), Transformer(small, REFERENCE)
    theirs.load_state_dict(ours.state_dict(), assign=True)
    exact.load_state_dict({name: x.float() for name, x in ours.state_dict().items()})
    cache = filled(small, batch.token_T.shape[0] * batch.pages.page_SP.shape[1] + 1, device)
    said: list[Output] = []
    for model in (ours, theirs, exact):
        dtype = torch.float32 if model is exact else BF16
        mine = KVCache(small, num_pages=cache.key_LPBGH.shape[1], page_size=PAGE, dtype=dtype, device=device)
        mine.key_LPBGH.copy_(cache.key_LPBGH)
        mine.value_LPBGH.copy_(cache.value_LPBGH)
        said.append(model(batch, mine))
    off, allowed = (error(each.logits_RV, said[2].logits_RV) for each in said[:2])
    differ = [
        sum(int((a.expert_TK != b.expert_TK).sum()) for a, b in zip(each.routings, said[2].routings, strict=True))
        for each in said[:2]
    ]
    verdict = "green" if off <= 2 * allowed else "red"
    return {"check": verdict, "error": off, "allowed": 2 * allowed, "choices_that_differ": differ}


@contextmanager
def one_after_the_other() -> Iterator[None]:
    """Lets no kernel start during the tail of the one before it."""
    overlaps = launch._overlaps
    launch._overlaps = lambda index: False  # type: ignore[assignment]
    try:
        yield
    finally:
        launch._overlaps = overlaps


@contextmanager
def tiles(best: dict[tuple[object, ...], Any]) -> Iterator[None]:
    """Lets the kernels take the fastest tiles."""
    before = linear.tile_for, experts.tiles_for, attention.tile_for

    def product(num_tokens: int, outputs: int) -> linear.Tile:
        return best.get(("product", num_tokens, outputs)) or before[0](num_tokens, outputs)

    def both(num_tokens: int) -> tuple[experts.Tile, experts.Tile]:
        up, down = before[1](num_tokens)
        return best.get(("up", num_tokens)) or up, best.get(("down", num_tokens)) or down

    def attend(num_heads: int, max_context: int) -> attention.Tile:
        return best.get(("attention", num_heads, max_context)) or before[2](num_heads, max_context)

    linear.tile_for, experts.tiles_for, attention.tile_for = product, both, attend
    try:
        yield
    finally:
        linear.tile_for, experts.tiles_for, attention.tile_for = before


@contextmanager
def our_products(rows: int) -> Iterator[None]:
    """Lets our kernels multiply up to so many rows, and cuBLAS the others."""
    before = gpu.FEW_ROWS
    gpu.FEW_ROWS = rows
    try:
        yield
    finally:
        gpu.FEW_ROWS = before


def steps(
    config: ModelConfig, cells: tuple[tuple[int, int], ...], read: float, best: dict[tuple[object, ...], Any]
) -> Iterator[dict[str, Any]]:
    """Steps at each batch and context with the best tiles; at the first also in other ways."""
    on_gpu = torch.cuda.is_available()
    device = torch.device("cuda" if on_gpu else "cpu")
    for batch in sorted({batch for batch, _ in cells}):
        with tiles(best):
            checked = check(config, batch_of(batch, 100 if on_gpu else 20, device), device)
        yield {"kernel": "step", "batch": batch, "context": 100, "way": "two layers", "floor": 0.0} | checked
        if checked["check"] != "green":
            return
    model = model_of(config, TRITON, device)
    for batch, context in cells:
        row = {"kernel": "step", "batch": batch, "context": context, "check": "green"}
        step = batch_of(batch, context, device)
        for way, rows in (("products by our kernels", 256), ("products by cuBLAS", 0)):
            if batch > 1 or rows:
                with tiles(best), our_products(rows):
                    yield row | {"way": way} | timed(model, step, read)
        if (batch, context) != cells[0]:
            continue
        yield row | {"way": "tiles of the tables"} | timed(model, step, read)
        with tiles(best), one_after_the_other():
            yield row | {"way": "one kernel after the other"} | timed(model, step, read)
        if on_gpu:
            with tiles(best):
                yield row | {"way": "profiled", "floor": 0.0} | profiled(model, step)


def profiled(model: Transformer, batch: Batch) -> dict[str, Any]:
    """A replayed step seen by the profiler: each kernel's calls and mean seconds, and what of the span none filled."""
    cache = filled(model.config, batch.token_T.shape[0] * batch.pages.page_SP.shape[1] + 1, model.norm.weight.device)
    model(batch, cache)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        model(batch, cache)
    graph.replay()
    torch.cuda.synchronize()
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        graph.replay()
        torch.cuda.synchronize()
    spans = sorted(
        (each.time_range.start, each.time_range.end, each.name)
        for each in profile.events()
        if each.device_type == torch.autograd.DeviceType.CUDA
    )
    calls: dict[str, list[float]] = {}
    idle, last = 0.0, spans[0][0]
    for start, end, name in spans:
        calls.setdefault(name, []).append((end - start) / 1e6)
        idle, last = idle + max(0.0, start - last), max(last, end)
    kernels = {name[:40]: {"calls": len(each), "mean": sum(each) / len(each)} for name, each in calls.items()}
    return {"span": (last - spans[0][0]) / 1e6, "idle": idle / 1e6, "launches": len(spans), "kernels": kernels}


def timed(model: Transformer, batch: Batch, read: float) -> dict[str, Any]:
    """Seconds a step, and the seconds that its bytes take: every touched weight once, and the cache once."""
    config, size = model.config, batch.token_T.shape[0]
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    cache = filled(config, size * batch.pages.page_SP.shape[1] + 1, model.norm.weight.device)

    def step(_: int) -> torch.Tensor:
        return model(batch, cache).logits_RV.argmax(dim=-1)

    routings = model(batch, cache).routings
    touched = sum(routing.expert_TK.unique().numel() for routing in routings)
    weights = 3 * touched * config.dim * config.hidden_dim + config.vocab_size * config.dim
    heads = 2 * (config.num_heads + config.num_kv_heads)
    weights += config.num_layers * config.dim * config.head_dim * heads
    bytes_read = 2 * weights + size * batch.pages.max_context * KVCache.bytes_per_token(config, BF16)
    found = seconds(step, 1, repeats=20)
    return found | {
        "floor": bytes_read / read,
        "experts_touched": touched / config.num_layers,
        "tokens_per_second": size / found["seconds"],
    }
