"""TraceManifest: what a trace says of itself in ``manifest.json``: the model, how it ran, and what the columns hold."""

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import UnionType
from typing import Any, get_origin, get_type_hints

from octavo.analysis.codes import RouteCoding
from octavo.errors import TraceError

FILE = "manifest.json"
FORMAT = "octavo-route"
VERSION = 1
# A first weight of two that sum to 1 lies between 0.5 and 1, in 200 steps. The 256 of a byte would cost more than a
# byte, since nothing would be left to compress.
HALF_STEP = 0.0025


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceManifest:
    """Everything that one must know to read a trace's rows and to repeat them.

    ``layers`` are the model's own numbers of its MoE layers, in order; columns are named after them. ``rank_ordered``
    is None where nobody knows whether the first id is the first choice. ``bos`` says how texts began: "tokenizer" (as
    the tokenizer adds it), "never" or "unknown". ``context`` is the most tokens of one document, ``settings`` whatever
    else decided the routes (dtype, device, batch rule, versions), ``statistics_only`` that accumulators stand in place
    of rows. Hashes are SHA-256, None where unknown.

    Weights are kept in ``weight_step``s of one byte where the first says it all, or as float16; ``exact_weights`` keeps
    float32. Router logits are kept as float16, or in steps of ``logits_step``, from -127 to 127 of them.
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
    exact_weights: bool = False
    logits_step: float | None = None
    statistics_only: bool = False
    source: str = "octavo"
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        _ = self.coding
        if not self.layers:
            raise TraceError("a trace without MoE layers: the model has no experts to route to; want a sparse model")
        if sorted(set(self.layers)) != list(self.layers) or min(self.layers) < 0:
            raise TraceError(f"layers are {list(self.layers)}: want the model's layer numbers, rising, each once")
        if self.logits_step is not None and not 0 < self.logits_step < float("inf"):
            raise TraceError(f"logits_step is {self.logits_step}: want a step above 0, or none for float16")

    @property
    def coding(self) -> RouteCoding:
        """How experts become codes."""
        return RouteCoding(self.num_experts, self.num_experts_per_tok)

    @property
    def weight_step(self) -> float | None:
        """The step in which the first weight is kept, from 0.5 on, where it alone says both; None where it does not.

        That is where two experts in rank order have weights that sum to 1: w1 = 0.5 + step · byte, w2 = 1 - w1.
        """
        says_both = self.num_experts_per_tok == 2 and self.renormalized and self.rank_ordered is True
        return HALF_STEP if self.has_weights and says_both and not self.exact_weights else None

    def contradiction(self, other: "TraceManifest") -> str | None:
        """The first field in which two manifests differ, with both values, ``settings.`` before one of the settings."""
        mine, theirs = _flat(self), _flat(other)
        for name in sorted({*mine, *theirs}):
            if mine.get(name) != theirs.get(name):
                return f"{name} is {mine.get(name)!r} and {theirs.get(name)!r}"
        return None

    def write(self, folder: Path) -> None:
        """Writes ``manifest.json`` into ``folder`` in one step. Raises TraceError where it cannot be written, or where
        another process has written one that contradicts it."""
        stated = {"format": FORMAT, "version": VERSION, **asdict(self), "weight_step": self.weight_step}
        fresh = folder / f".{FILE}.{os.getpid()}.new"
        try:
            fresh.write_text(json.dumps(stated, indent=1) + "\n", encoding="utf-8")
            if not (folder / FILE).exists():
                os.link(fresh, folder / FILE)  # unlike a renaming, it lets the first of several processes win
        except FileExistsError:
            pass
        except (OSError, TypeError, ValueError) as error:
            raise TraceError(f"{folder / FILE} cannot be written ({error}): mend that and run it again") from None
        finally:
            fresh.unlink(missing_ok=True)
        if difference := self.contradiction(TraceManifest.read(folder)):
            raise TraceError(
                f"{folder / FILE} stands there already and contradicts this run: {difference}; write to another folder"
            )

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
        stated_step = read.pop("weight_step", None)
        hints = get_type_hints(cls)
        if strange := sorted(set(read) - set(hints)):
            raise TraceError(f"{path} has the unknown field {strange[0]!r}: read it with the Octavo that wrote it")
        wrong = [
            name for name, value in read.items() if name != "layers" and not isinstance(value, _kinds(hints[name]))
        ]
        layers = read.get("layers")
        if wrong or not isinstance(layers, list) or not all(type(each) is int for each in layers):
            name = wrong[0] if wrong else "layers"
            raise TraceError(f"{path} is incomplete or wrong: {name} is {read.get(name)!r}; write the trace anew")
        try:
            manifest = cls(**{**read, "layers": tuple(layers)})
        except TypeError as error:
            raise TraceError(f"{path} is incomplete ({error}): write the trace anew") from None
        except TraceError as error:
            raise TraceError(f"{path}: {error}") from None
        if stated_step != manifest.weight_step:
            raise TraceError(
                f"{path}: weight_step is {stated_step}, want {manifest.weight_step} by its other fields: write it anew"
            )
        return manifest


def _flat(manifest: TraceManifest) -> dict[str, Any]:
    """The fields as they come back from JSON, the settings beside them."""
    stated = json.loads(json.dumps(asdict(manifest)))
    settings = stated.pop("settings")
    return {**stated, **{f"settings.{name}": value for name, value in settings.items()}}


def _kinds(hint: Any) -> Any:
    """The types that a value read from JSON may have for a field of this type."""
    origin = get_origin(hint)
    return origin if isinstance(origin, type) and not issubclass(origin, UnionType) else hint
