"""TraceManifest: what a trace says of itself in ``manifest.json``: the model, how it ran, and what the columns hold."""

import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from octavo.analysis.codes import RouteCoding
from octavo.errors import TraceError

FILE = "manifest.json"
FORMAT = "octavo-route"
VERSION = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceManifest:
    """Everything that one must know to read a trace's rows and to repeat them.

    ``layers`` are the model's own numbers of its MoE layers, in order; columns are named after them. ``rank_ordered``
    is None where nobody knows whether the first id is the first choice. ``bos`` says how texts began: "tokenizer" (as
    the tokenizer adds it), "never" or "unknown". ``context`` is the most tokens of one document, ``settings`` whatever
    else decided the routes (dtype, device, batch rule, versions), ``statistics_only`` that accumulators stand in place
    of rows. Hashes are SHA-256, None where unknown.
    """

    num_experts: int
    num_experts_per_tok: int
    layers: tuple[int, ...]
    rank_ordered: bool | None = True
    model: str | None = None
    model_hash: str | None = None
    tokenizer_hash: str | None = None
    vocab_size: int | None = None
    score_function: str = "softmax"
    renormalized: bool = True
    bos: str = "unknown"
    context: int | None = None
    batch_invariant: bool | None = None
    has_tokens: bool = True
    has_weights: bool = False
    has_logits: bool = False
    has_nll: bool = False
    has_predictions: bool = False
    statistics_only: bool = False
    source: str = "octavo"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.coding
        if not self.layers:
            raise TraceError("a trace without MoE layers: the model has no experts to route to; want a sparse model")
        if sorted(set(self.layers)) != list(self.layers) or min(self.layers) < 0:
            raise TraceError(f"layers are {list(self.layers)}: want the model's layer numbers, rising, each once")

    @property
    def coding(self) -> RouteCoding:
        """How experts become codes."""
        return RouteCoding(self.num_experts, self.num_experts_per_tok)

    def write(self, folder: Path) -> None:
        """Writes ``manifest.json`` into ``folder`` in one step."""
        text = json.dumps({"format": FORMAT, "version": VERSION, **asdict(self)}, indent=1) + "\n"
        fresh = folder / f".{FILE}.new"
        fresh.write_text(text, encoding="utf-8")
        fresh.replace(folder / FILE)

    @classmethod
    def read(cls, folder: Path) -> "TraceManifest":
        """Reads the manifest of a trace; raises TraceError, naming the file, for one that is missing or not ours."""
        path = folder / FILE
        try:
            read = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise TraceError(f"{folder} has no {FILE}: want a trace, as 'octavo trace' writes it") from None
        except (OSError, ValueError, RecursionError) as error:
            raise TraceError(f"{path} cannot be read ({error}): write the trace anew") from None
        if not isinstance(read, dict) or read.pop("format", None) != FORMAT:
            raise TraceError(f"{path} is not the manifest of a routing trace: want one that 'octavo trace' wrote")
        version = read.pop("version", None)
        if version != VERSION:
            raise TraceError(f"{path} has version {version!r}, want {VERSION}: read it with the Octavo that wrote it")
        known = {each.name for each in fields(cls)}
        if strange := sorted(set(read) - known):
            raise TraceError(f"{path} has the unknown field {strange[0]!r}: read it with the Octavo that wrote it")
        try:
            return cls(**{**read, "layers": tuple(read["layers"])})
        except (KeyError, TypeError) as error:
            raise TraceError(f"{path} is incomplete ({error}): write the trace anew") from None
        except TraceError as error:
            raise TraceError(f"{path}: {error}") from None
