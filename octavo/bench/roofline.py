"""The roofline: the least seconds that a device needs for a step, from the bytes and operations it cannot avoid.

    seconds = max(bytes / read bandwidth, operations / matrix rate)

Bytes: attention, router, norms and head once, the experts that the step's tokens touched once, and the keys and values
of every sequence once. Operations: 2 a multiply-add of a matrix, the head once for each row whose logits are wanted,
and 4 · Q · H for each position that a token sees, a layer. Nothing else is counted, so nothing reaches it wholly.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from octavo.config import ModelConfig
from octavo.parameters import BYTES_OF, count, memory


@dataclass(frozen=True, slots=True, kw_only=True)
class Rates:
    """What a device was measured to do: bytes a second read, and read plus written, and operations a second."""

    read: float
    copy: float
    matrix: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Bytes and operations that cannot be avoided."""

    bytes: float
    flop: float

    def seconds(self, rates: Rates) -> float:
        """The least that a device of these rates takes for it."""
        return max(self.bytes / rates.read, self.flop / rates.matrix)


@dataclass(frozen=True, slots=True, kw_only=True)
class Widths:
    """Bytes of an element of the weights and of the cache."""

    weights: float
    cache: int

    @staticmethod
    def of(dtype: str) -> "Widths":
        """Both in one dtype."""
        return Widths(weights=BYTES_OF[dtype], cache=BYTES_OF[dtype])


def step_cost(
    config: ModelConfig, widths: Widths, chunks: Sequence[tuple[int, int]], *, heads: int, touched: float | None
) -> Cost:
    """The cost of a step that reads ``chunks``, each so many tokens after so many positions.

    ``heads`` rows have their logits computed; ``touched`` is the mean number of experts of a layer that were read, None
    in a dense model.
    """
    parts = {part.name: part for part in count(config).parts}
    num_tokens = sum(new for _, new in chunks)
    elements = parts["attention"].read + parts["norms"].read + num_tokens * config.dim
    elements += parts["head"].read if heads else 0
    per_token = parts["attention"].flop
    if config.is_sparse:
        assert touched is not None, "a sparse model touches experts"
        expert = 3 * config.dim * config.hidden_dim
        elements += parts["router"].read + round(config.num_layers * touched * expert)
        per_token += parts["router"].flop + parts["experts"].flop
    else:
        elements += parts["feed_forward"].read
        per_token += parts["feed_forward"].flop
    window = config.sliding_window
    kept = sum(min(start + new, window + new - 1) if window else start + new for start, new in chunks)
    cached = kept * memory(config, "float32").cache_per_token / BYTES_OF["float32"] * widths.cache
    seen = sum(_seen(start, new, window) for start, new in chunks)
    attended = 4 * config.num_layers * config.num_heads * config.head_dim * seen
    flop = num_tokens * per_token + heads * parts["head"].flop + attended
    return Cost(bytes=elements * widths.weights + cached, flop=flop)


def layer_cost(config: ModelConfig, widths: Widths, num_tokens: int, *, touched: float) -> Cost:
    """The cost of one layer of experts, router and norm included, for so many tokens."""
    expert = 3 * config.dim * config.hidden_dim
    router = config.dim * config.num_experts
    rows = 2 * num_tokens * config.dim
    flop = num_tokens * 2 * (config.num_experts_per_tok * expert + router)
    return Cost(bytes=(touched * expert + router + rows) * widths.weights, flop=flop)


def _seen(start: int, new: int, window: int | None) -> int:
    """Positions that ``new`` tokens after ``start`` see together, each itself included."""
    if window is None or start + new <= window:
        return new * start + new * (new + 1) // 2
    return sum(min(start + place, window) for place in range(1, new + 1))
