"""TokenCounts: how often each token id was sent to each expert, N(x, e), layer by layer; of a trace, or of a table."""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from octavo.analysis.accumulators import Accumulators
from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics.counted import bare, counted, expect_ranks
from octavo.analysis.statistics.halving import Halving
from octavo.errors import TraceError

TARGETS = ("input", "predicted", "next")
CHOICES = ("first", "either")
MOST_CELLS = 1 << 29  # of a table: 4 GiB
Expert: TypeAlias = Integer[np.ndarray, "L T K"]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenCounts:
    """Counts of X token ids in L layers of E experts.

    ``count_LXE[l, x, e]`` tokens with id ``id_X[x]`` chose expert e: as their first choice where ``choice`` is "first",
    as any of their k where it is "either". ``layers`` are the model's own numbers.
    """

    id_X: Int64[np.ndarray, "X"]
    count_LXE: Int64[np.ndarray, "L X E"]
    layers: tuple[int, ...]
    choice: str
    k: int

    def __post_init__(self) -> None:
        wanted = (len(self.layers), len(self.id_X))
        if self.count_LXE.ndim != 3 or self.count_LXE.shape[:2] != wanted:
            raise TraceError(f"token counts have shape {self.count_LXE.shape}: want {wanted} and the experts")
        if self.choice not in CHOICES:
            raise TraceError(f"no choice {self.choice!r}: want one of {', '.join(CHOICES)}")

    @property
    def per_token(self) -> int:
        """How many experts of a token are counted: 1 or k."""
        return 1 if self.choice == "first" else self.k

    def token_X(self, place: int) -> Float64[np.ndarray, "X"]:
        """N(x): how many tokens have each id, in the layer at ``place``."""
        return np.asarray(self.count_LXE[place].sum(axis=1) / self.per_token)

    def with_at_least(self, min_count: int) -> "TokenCounts":
        """The same without the ids that occur less often than ``min_count`` times."""
        kept_X = self.token_X(0) >= min_count
        return replace(self, id_X=self.id_X[kept_X], count_LXE=self.count_LXE[:, kept_X])

    @classmethod
    def of_table(
        cls, count_LVE: Integer[np.ndarray, "L V E"], *, layers: tuple[int, ...], k: int, choice: str = "either"
    ) -> "TokenCounts":
        """Takes a table with a row for every id of a vocabulary, such as those published with OLMoE."""
        seen_V = np.flatnonzero(count_LVE.any(axis=(0, 2)))
        return cls(id_X=seen_V, count_LXE=count_LVE[:, seen_V].astype(np.int64), layers=layers, choice=choice, k=k)


@dataclass(slots=True)
class _Table:
    """A table that gets a row for every id it meets; row 0 takes what does not count."""

    num_layers: int
    num_experts: int
    row_V: Int64[np.ndarray, "V"] = field(default_factory=lambda: np.full(0, -1))
    ids: list[int] = field(default_factory=lambda: [-1])
    count_LRHE: Int64[np.ndarray, "L R H E"] = field(init=False)

    def __post_init__(self) -> None:
        self.count_LRHE = np.zeros((self.num_layers, 1, 2, self.num_experts), np.int64)

    def rows_T(self, id_T: Integer[np.ndarray, "T"], keep_T: Bool[np.ndarray, "T"]) -> Int64[np.ndarray, "T"]:
        """The row of each id, new ones made."""
        counted_T = id_T[keep_T]
        if counted_T.size and (most := int(counted_T.max())) >= len(self.row_V):
            self.row_V = np.concatenate([self.row_V, np.full(most + 1 - len(self.row_V), -1)])
        fresh = np.flatnonzero((np.bincount(counted_T, minlength=len(self.row_V)) > 0) & (self.row_V < 0))
        self.row_V[fresh] = np.arange(len(self.ids), len(self.ids) + len(fresh))
        self.ids += fresh.tolist()
        if len(self.ids) > (had := self.count_LRHE.shape[1]):
            self._expect_room(len(self.ids))
            grown = np.zeros((self.num_layers, len(self.ids) * 5 // 4, 2, self.num_experts), np.int64)
            grown[:, :had] = self.count_LRHE
            self.count_LRHE = grown
        row_T = np.zeros(len(id_T), np.int64)
        row_T[keep_T] = self.row_V[counted_T]
        return row_T

    def _expect_room(self, rows: int) -> None:
        if (cells := self.num_layers * rows * 2 * self.num_experts) > MOST_CELLS:
            raise TraceError(
                f"counts of {rows:,} ids in {self.num_layers} layers of {self.num_experts} experts take "
                f"{cells * 8 / 2**30:.0f} GiB: choose fewer layers"
            )

    def add(self, row_T: Int64[np.ndarray, "T"], half_T: Integer[np.ndarray, "T"], expert_LTK: Expert) -> None:
        """Counts every rank that is given."""
        start_T = (row_T * 2 + half_T) * self.num_experts
        for place, expert_TK in enumerate(expert_LTK):
            flat = self.count_LRHE[place].reshape(-1)
            for expert_T in expert_TK.T:
                cell_T = start_T + expert_T
                if len(flat) <= 8 * len(cell_T):
                    flat += np.bincount(cell_T, minlength=len(flat))
                else:
                    cell, count = np.unique(cell_T, return_counts=True)
                    flat[cell] += count


def token_counts(
    source: TraceSource | Accumulators,
    *,
    selection: Selection | None = None,
    choice: str = "first",
    target: str = "input",
) -> TokenCounts:
    """Counts a trace in one pass; the memory grows with the ids that occur, not with tokens.

    ``target`` says which id stands for a token: its own ("input"), the one the model held likeliest to come next
    ("predicted"), or the one that came ("next"). Raises TraceError where the trace does not have it; counts in place of
    rows know the input only, of all domains together.
    """
    if isinstance(source, Accumulators):
        return _accumulated(source, selection or source.selection, choice, target)
    return halves(source, selection=selection, choice=choice, target=target)[2]


def halves(
    source: TraceSource, *, selection: Selection | None = None, choice: str = "first", target: str = "input"
) -> tuple[TokenCounts, TokenCounts, TokenCounts]:
    """The counts of one half of the documents, of the other, and of all; all three of the same ids.

    What is learnt from one half can be tried on the other.
    """
    selection = selection or Selection()
    _expect_choice(source.manifest, choice)
    manifest, layers = source.manifest, selection.layers_of(source.manifest)
    ranks = manifest.num_experts_per_tok if choice == "either" else 1
    table, halving = _Table(len(layers), manifest.num_experts), Halving()
    for chunk, id_T, keep_T in targets(source, selection, target):
        half_T = halving.half_T(chunk)
        table.add(table.rows_T(id_T, keep_T), half_T, chunk.expert_LTK[:, :, :ranks])
    id_X = np.array(table.ids[1:], np.int64)
    order_X = np.argsort(id_X)
    count_LXHE = table.count_LRHE[:, 1:][:, order_X]
    one, other = (
        TokenCounts(
            id_X=id_X[order_X],
            count_LXE=count_LXHE[:, :, half],
            layers=layers,
            choice=choice,
            k=manifest.num_experts_per_tok,
        )
        for half in (0, 1)
    )
    return one, other, replace(one, count_LXE=one.count_LXE + other.count_LXE)


def _accumulated(source: Accumulators, selection: Selection, choice: str, target: str) -> TokenCounts:
    _expect_choice(source.manifest, choice)
    found = counted(source, selection=selection, intervals=None, contents=bare(), by_document={})
    if target != "input" or found.selection.domains_among(source.domains) != source.domains:
        raise TraceError("counts without rows know each token's own id, in all domains together: keep the rows")
    table_LVKE = source.table("vocabulary")[[place for place, _ in found.places()]]
    table_LVE = table_LVKE[:, :, 0] if choice == "first" else table_LVKE.sum(axis=2)
    k = source.manifest.num_experts_per_tok
    return TokenCounts.of_table(table_LVE, layers=found.layers, k=k, choice=choice)


def _expect_choice(manifest: TraceManifest, choice: str) -> None:
    if choice not in CHOICES:
        raise TraceError(f"no choice {choice!r}: want one of {', '.join(CHOICES)}")
    expect_ranks(manifest, (choice,), ("first",))


def targets(
    source: TraceSource, selection: Selection, target: str
) -> Iterator[tuple[Chunk, Int64[np.ndarray, "T"], Bool[np.ndarray, "T"]]]:
    """Yields each chunk with the id that stands for each token and whether it counts."""
    if target not in TARGETS:
        raise TraceError(f"no target {target!r}: want one of {', '.join(TARGETS)}")
    if not source.manifest.has_tokens:
        raise TraceError("a trace without token ids: what depends on the words cannot be had from it")
    if target == "predicted" and not source.manifest.has_predictions:
        raise TraceError("a trace without the predicted ids: record it with --predictions, or take the target 'next'")
    for chunk in selection.chunks(source, predictions=target == "predicted"):
        keep_T = selection.token_T(chunk)
        assert chunk.token_T is not None
        id_T = chunk.token_T.astype(np.int64)
        if target == "predicted":
            assert chunk.prediction_T is not None
            id_T = chunk.prediction_T.astype(np.int64)
        elif target == "next":
            id_T = np.append(id_T[1:], 0)
            keep_T = np.append(selection.pair_T(chunk), False)
        yield chunk, id_T, keep_T
