"""MemoryPlan: what a model and its engine will take on a device, from the config alone, before anything is loaded.

    weights    parameters · bytes of an element
    cache      pages · B · 2 · L · G · H · bytes of an element
    routing    pages · B · L · E · 4, where prefixes are kept
    graphs     nothing yet: steps are not captured
    workspace  what the largest step holds at once beside all that

The workspace is that of the ops that need most, the references: T tokens of a step, S sequences, N = T·K assignments.
"""

from dataclasses import dataclass

from octavo.config import ModelConfig
from octavo.engine.config import EngineConfig
from octavo.engine.prefix import are_kept
from octavo.errors import ConfigError, OverCapacity
from octavo.parameters import BYTES_OF, count, memory

CPU_CACHE_BYTES = 2**30
# What of a GPU is never planned for: libraries take some, and memory that is given back is not always of one piece.
GPU_SPARE = 0.1
# Rows whose logprobs are read at once, and the bytes that one of their logits takes, and one that is drawn from.
ROWS_SCORED_AT_ONCE = 256
BYTES_OF_A_SCORE = 12
BYTES_OF_A_DRAW = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Memory of a device in bytes: what is free, and what there is. ``shared`` where other programs live there too."""

    device: str
    free: int
    total: int
    shared: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryPlan:
    """Bytes by what they are for, and the cache's pages, of which page 0 is nobody's.

    ``room`` is the device's, None where nobody looked; ``weights`` are 0 in it when they were there already.
    """

    dtype: str
    weights: int
    num_pages: int
    page_size: int
    cache: int
    routing: int
    graphs: int
    workspace: int
    room: Room | None

    @property
    def total(self) -> int:
        """All of it together."""
        return sum(self.parts.values())

    @property
    def tokens(self) -> int:
        """Positions that the cache holds."""
        return (self.num_pages - 1) * self.page_size

    @property
    def parts(self) -> dict[str, int]:
        """Each part by its name."""
        return {
            "weights": self.weights,
            "cache": self.cache,
            "routing": self.routing,
            "graphs": self.graphs,
            "workspace": self.workspace,
        }

    def line(self) -> str:
        """The plan in one line."""
        said = {name: f"{name} {spelled(size)}" for name, size in self.parts.items()}
        said["cache"] += f" ({self.tokens:,} positions)"
        left = "" if self.room is None else f" of {spelled(self.room.free)} free on {self.room.device}"
        return f"{', '.join(said.values())}: {spelled(self.total)}{left}"

    def require_room(self) -> None:
        """Raises OverCapacity, in one line with the numbers, where the room does not hold it all."""
        if self.room is None or self.total <= self.room.free:
            return
        without_cache = self.total - self.cache - self.routing
        if without_cache > self.room.free:
            way_out = "take a smaller dtype, a smaller model or a larger device"
        else:
            way_out = "give the cache less with memory_bytes or num_pages"
        if self.workspace > self.total // 10:
            way_out += ", or lower max_num_batched_tokens and max_num_seqs"
        raise OverCapacity(f"this needs more memory than there is: {self.line()}: {way_out}")


def plan_memory(
    config: ModelConfig, engine: EngineConfig, *, dtype: str, room: Room | None = None, loaded: bool = False
) -> MemoryPlan:
    """Plans a model of ``dtype`` with an engine in ``room``; with ``loaded`` its weights are there already.

    The cache gets what the engine's config says; else what the sequences can use and the room can hold, two pages at
    least. Raises ConfigError when the config gives it less than that, KeyError for a dtype that is not in BYTES_OF.
    """
    weights = 0 if loaded else count(config).total * BYTES_OF[dtype]
    token_bytes = memory(config, dtype).cache_per_token
    routing_bytes = 4 * config.num_layers * config.num_experts if are_kept(engine, window=config.sliding_window) else 0
    page_bytes = (token_bytes + routing_bytes) * engine.page_size
    per_sequence = -(-(engine.max_model_len or config.context_length) // engine.page_size)
    most = engine.max_num_seqs * per_sequence + 1
    if engine.num_pages is not None:
        pages = engine.num_pages
    elif engine.memory_bytes is not None:
        pages = min(engine.memory_bytes // page_bytes, most)
        if pages < 2:
            raise ConfigError(
                f"the cache may take {engine.memory_bytes} bytes, but its two smallest pages take {2 * page_bytes}: "
                "give it more with memory_bytes, or lower page_size"
            )
    elif room is None:
        pages = most
    else:
        least = workspace_bytes(config, engine, dtype=dtype)
        spare = _spare_bytes(room, weights, least, one_sequence=per_sequence * page_bytes)
        pages = max(2, min(spare // page_bytes, most))
    # A GPU's kernels read the pages where they are.
    gathered = min(pages, most) * engine.page_size if room is None or room.shared else 0
    return MemoryPlan(
        dtype=dtype,
        weights=weights,
        num_pages=pages,
        page_size=engine.page_size,
        cache=pages * engine.page_size * token_bytes,
        routing=pages * engine.page_size * routing_bytes,
        graphs=0,
        workspace=workspace_bytes(config, engine, dtype=dtype, gathered=gathered),
        room=room,
    )


def workspace_bytes(config: ModelConfig, engine: EngineConfig, *, dtype: str, gathered: int = 0) -> int:
    """What the largest step holds at once beside weights and caches, in bytes.

    The residual, and beside it the largest of three: attention, whose reference copies the keys and values of
    ``gathered`` positions side by side and once more for each query head; the experts, each assignment's rows on their
    way up and down; the head, with what scores and draws from its logits.
    """
    width, num_tokens = BYTES_OF[dtype], engine.max_num_batched_tokens
    sequences = min(engine.max_num_seqs, num_tokens)
    residual = num_tokens * (config.dim * (4 * width + 8) + 12 * config.num_layers * config.num_experts)
    heads = (config.num_heads + 2 * config.num_kv_heads) * config.head_dim
    copied = 2 * (config.num_heads + config.num_kv_heads) * config.head_dim
    attention = (4 * num_tokens * heads + gathered * copied) * width
    assignments = num_tokens * (config.num_experts_per_tok or 1)
    feed_forward = assignments * ((3 * config.dim + 4 * config.hidden_dim) * width + 4 * config.dim)
    scored = num_tokens * width + min(num_tokens, ROWS_SCORED_AT_ONCE) * BYTES_OF_A_SCORE
    head = config.vocab_size * max(scored, sequences * (BYTES_OF_A_DRAW + width))
    return residual + max(attention, feed_forward, head)


def spelled(size: int) -> str:
    """Bytes with three figures and a decimal prefix."""
    value, unit = float(size), "B"
    for prefix in ("kB", "MB", "GB", "TB"):
        if abs(value) < 999.5:
            break
        value, unit = value / 1000, prefix
    return f"{value:.3g} {unit}"


def _spare_bytes(room: Room, weights: int, workspace: int, *, one_sequence: int) -> int:
    """Memory that the cache may take without being told."""
    if not room.shared:
        return max(0, int(room.free - weights - max(workspace, GPU_SPARE * room.total)))
    # Where the memory is everybody's: one sequence of full length if half of what is free holds it, and up to 1 GiB.
    free = max(0, room.free - weights - workspace)
    return max(min(CPU_CACHE_BYTES, free // 4), min(one_sequence, free // 2))
