"""A model taken apart, as tables and as JSON: its shape, its parts, dense against sparse, and the memory it needs."""

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table
from rich.text import Text

from octavo.cli.escaping import escape_line
from octavo.cli.flags import EMBEDDED
from octavo.cli.screen import Screen, figures
from octavo.cli.sizes import billions, share, short
from octavo.config import PRESETS, ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.memory_plan import MemoryPlan, plan_memory
from octavo.parameters import (
    BYTES_OF,
    attention_flop,
    count,
    dense_of_equal_active,
    dense_of_equal_total,
    experts_read,
    memory,
)

BATCHES = (1, 2, 4, 8, 16, 32)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of a model: bytes in ``dtype``, a cache of ``sequences`` of ``context`` tokens each."""

    name: str
    config: ModelConfig
    dtype: str
    context: int
    sequences: int


def find_config(name: str, *, revision: str | None = None) -> ModelConfig:
    """The shape of a folder, a settings file, a Hub id, the embedded model, or a published model by name.

    Raises CheckpointError and ConfigError for a folder or file that does not say it.
    """
    if name in PRESETS and not Path(name).exists():
        return PRESETS[name]()
    # Only here, since it needs torch and the published shapes do not.
    from octavo.api.opening import find_model
    from octavo.checkpoint import fetch, read_settings

    folder = find_model(name) if name == EMBEDDED else fetch(name, revision=revision, settings_only=True)
    return read_settings(folder).config


def show(question: Question, screen: Screen) -> None:
    """Writes everything as tables."""
    config, counted = question.config, count(question.config)
    headline = f"{counted.total:,} parameters"
    if config.is_sparse:
        headline += f", {counted.active:,} of them active for each token"
        headline += f"\n{config.num_experts} experts a layer, {config.num_experts_per_tok} of which read each token"
    screen.show(Text(escape_line(question.name), style="bold"), headline, "", shape_table(config))
    note = Text(f"Bytes read and operations of one decoded token; {question.dtype}", style="dim")
    screen.show("", part_table(question), note, "")
    if config.is_sparse:
        screen.show(dense_table(question), "", batch_table(question), "")
    screen.show(memory_table(question), "", plan_table(question))


def shape_table(config: ModelConfig) -> Table:
    """The shape, three entries a line."""
    window = f"{config.sliding_window:,}" if config.sliding_window else "none"
    entries = [
        ("layers", f"{config.num_layers:,}"),
        ("width", f"{config.dim:,}"),
        ("expert width" if config.is_sparse else "feed-forward width", f"{config.hidden_dim:,}"),
        ("query heads", f"{config.num_heads:,}"),
        ("key/value heads", f"{config.num_kv_heads:,}"),
        ("head width", f"{config.head_dim:,}"),
        ("vocabulary", f"{config.vocab_size:,}"),
        ("context", f"{config.context_length:,}"),
        ("sliding window", window),
        ("rope theta", f"{config.rope_theta:,.0f}"),
        ("norm epsilon", f"{config.norm_eps:g}"),
        ("embeddings", "tied" if config.tie_embeddings else "not tied"),
    ]
    table = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for _ in range(3):
        table.add_column(style="dim")
        table.add_column(justify="right")
    for start in range(0, len(entries), 3):
        table.add_row(*(cell for entry in entries[start : start + 3] for cell in entry))
    return table


def part_table(question: Question) -> Table:
    """Parameters, bytes and operations a token, by part."""
    config, counted, width = question.config, count(question.config), BYTES_OF[question.dtype]
    table = figures("part", "parameters", "share", "active", "bytes a token", "FLOP a token")
    for part in counted.parts:
        table.add_row(
            part.name.replace("_", "-"),
            f"{part.total:,}",
            share(part.total, counted.total),
            billions(part.active),
            short(part.read * width, "B"),
            short(part.flop) if part.flop else "–",
        )
    table.add_section()
    seen, cached = attention_flop(config, question.context), _cache_read(question)
    total = [
        f"{counted.total:,}",
        share(1, 1),
        billions(counted.active),
        short(counted.read * width, "B"),
        short(counted.flop),
    ]
    table.add_row("all", *total, style="bold")
    table.add_row(f"cache of {question.context:,}", "–", "–", "–", "+ " + short(cached, "B"), "+ " + short(seen))
    return table


def dense_table(question: Question) -> Table:
    """A sparse model beside the dense ones of equal work and of equal size."""
    config, width = question.config, BYTES_OF[question.dtype]
    columns = {
        "this model": config,
        "dense, equal work": dense_of_equal_active(config),
        "dense, equal size": dense_of_equal_total(config),
    }
    table = figures("dense against sparse", *columns)
    counts = [count(each) for each in columns.values()]
    widths = [
        f"{each.num_experts_per_tok} of {each.num_experts} × {each.hidden_dim:,}"
        if each.is_sparse
        else f"{each.hidden_dim:,}"
        for each in columns.values()
    ]
    table.add_row("feed-forward width", *widths)
    table.add_row("parameters", *(billions(each.total) for each in counts))
    table.add_row("active for a token", *(billions(each.active) for each in counts))
    table.add_row("FLOP a token", *(short(each.flop) for each in counts))
    table.add_row("bytes a token", *(short(each.read * width, "B") for each in counts))
    table.add_row("weights", *(short(each.total * width, "B") for each in counts))
    return table


def batch_table(question: Question) -> Table:
    """How many experts of a layer a step reads, by the number of sequences in it."""
    table = figures("sequences in a step", *(str(batch) for batch in BATCHES))
    table.add_row("experts read, each layer", *(f"{experts_read(question.config, batch):.2f}" for batch in BATCHES))
    table.add_row("weights read", *(short(_step_bytes(question, batch), "B") for batch in BATCHES))
    return table


def memory_table(question: Question) -> Table:
    """What weights and cache take, by dtype."""
    many = f"{question.sequences} × {question.context:,} tokens"
    table = figures("memory", "weights", "cache, a token", f"cache, {many}", "together")
    for dtype in BYTES_OF:
        need = memory(question.config, dtype, context=question.context, sequences=question.sequences)
        sizes = (need.weights, need.cache_per_token, need.cache, need.weights + need.cache)
        table.add_row(dtype, *(short(size, "B") for size in sizes))
    return table


def plan(question: Question) -> MemoryPlan:
    """What an engine would take that holds the sequences that were asked for."""
    engine = EngineConfig(max_model_len=question.context, max_num_seqs=question.sequences)
    return plan_memory(question.config, engine, dtype=question.dtype)


def plan_table(question: Question) -> Table:
    """What an engine takes, part by part."""
    planned = plan(question)
    table = figures(f"engine, {question.dtype}", *planned.parts, "together")
    sizes = [*planned.parts.values(), planned.total]
    table.add_row("takes at most", *(short(size, "B") if size else "none" for size in sizes))
    return table


def document(question: Question) -> dict[str, Any]:
    """Everything as one document for programs."""
    config, counted, width = question.config, count(question.config), BYTES_OF[question.dtype]
    parts = [
        {
            "name": part.name,
            "parameters": part.total,
            "active_parameters": part.active,
            "bytes_per_token": part.read * width,
            "flop_per_token": part.flop,
        }
        for part in counted.parts
    ]
    twins = {
        "dense_of_equal_active": dense_of_equal_active(config),
        "dense_of_equal_total": dense_of_equal_total(config),
    }
    return {
        "model": question.name,
        "config": dataclasses.asdict(config),
        "dtype": question.dtype,
        "context": question.context,
        "sequences": question.sequences,
        **_sums(config, width),
        "parts": parts,
        "cache_bytes_per_token": _cache_read(question),
        "attention_flop_per_token": attention_flop(config, question.context),
        **{
            name: {"hidden_dim": twin.hidden_dim, **_sums(twin, width)}
            for name, twin in twins.items()
            if config.is_sparse
        },
        "experts_read": {batch: experts_read(config, batch) for batch in BATCHES} if config.is_sparse else None,
        "memory": [
            dataclasses.asdict(memory(config, each, context=question.context, sequences=question.sequences))
            for each in BYTES_OF
        ],
        "memory_plan": plan(question).parts,
    }


def _sums(config: ModelConfig, width: int) -> dict[str, int]:
    counted = count(config)
    return {
        "total_parameters": counted.total,
        "active_parameters": counted.active,
        "bytes_per_token": counted.read * width,
        "flop_per_token": counted.flop,
        "weight_bytes": counted.total * width,
    }


def _cache_read(question: Question) -> int:
    """Bytes of keys and values that the last token of the context reads."""
    return memory(question.config, question.dtype, context=question.context).cache


def _step_bytes(question: Question, batch: int) -> float:
    """Bytes of weights that one step of ``batch`` independent tokens reads."""
    config = question.config
    parts = {part.name: part.read for part in count(config).parts}
    experts = parts.pop("experts") * experts_read(config, batch) / config.num_experts_per_tok
    rows = (batch - 1) * config.dim  # each token looks up a row of the embedding
    return (sum(parts.values()) + experts + rows) * BYTES_OF[question.dtype]
