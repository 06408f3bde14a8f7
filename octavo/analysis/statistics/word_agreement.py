"""Word agreement: whether the tokens of one word, and those of indentation, are sent to the same expert.

    within-words    share of the pairs of neighbours inside one word with the same first choice
    between-words   the same of neighbours where a word ends and the next begins
    indentation     Σ_e n_e (n_e − 1) / (n (n − 1)): chance that two indentation tokens of a domain have the same one

They test what section 5 of Mixtral of Experts says of its coloured texts: that the parts of `self` or `Question` share
an expert, and that indentation has the same one throughout. A word goes on where a token ends in a letter, digit,
underscore or byte above ASCII, and the next begins with one. Indentation is white space at the beginning of a line.
"""

from typing import Any

import numpy as np
from jaxtyping import Bool, Float64, Int64, Integer

from octavo.analysis.chunk import Chunk
from octavo.analysis.selection import Selection
from octavo.analysis.source import TraceSource
from octavo.analysis.statistics import nulls
from octavo.analysis.statistics.counted import expect_ranks
from octavo.analysis.statistics.intervals import DocumentSums, Intervals, interval_of, ratio
from octavo.analysis.statistics.ratios import Ratios, by_document, group_of, name_of
from octavo.analysis.statistics.rows import Row, row
from octavo.analysis.statistics.spelling import Spelling, vocabulary_of
from octavo.errors import TraceError


def word_agreement(
    source: TraceSource, *, selection: Selection | None = None, intervals: Intervals | None = None, by: str = "domain"
) -> list[Row]:
    """Rows by domain, layer and measure, first choices only.

    The marginal null of a pair takes both of its places with the frequencies seen there; that of indentation takes two
    of all the domain's tokens. Raises TraceError where the trace has no token ids or no vocabulary.
    """
    selection = selection or Selection()
    expect_ranks(source.manifest, ("first choice",), ("first choice",))
    vocabulary = vocabulary_of(source)
    if not source.manifest.has_tokens or not vocabulary:
        raise TraceError("a trace without token ids or their spelling: it does not say what is a word")
    kinds, layers = Spelling.of(vocabulary), selection.layers_of(source.manifest)
    found = _Counts(len(layers), source.manifest.num_experts)
    for chunk in selection.chunks(source):
        found.add(group_of(chunk.domain, by), chunk, kinds, selection)
    return [each for domain in found.pairs.sums.parts for each in found.rows(domain, layers, intervals)]


class _Counts:
    """Pairs that agree, and the experts of indentation and of all tokens, by document."""

    __slots__ = ("_shape", "_sides", "indent", "pairs", "used")

    def __init__(self, num_layers: int, num_experts: int) -> None:
        self._shape = (num_layers, num_experts)
        self.pairs, self.indent, self.used = Ratios(), DocumentSums(), DocumentSums()
        self._sides: dict[str, np.ndarray] = {}

    def add(self, group: str, chunk: Chunk, kinds: Spelling, selection: Selection) -> None:
        """Takes a chunk."""
        assert chunk.token_T is not None
        keep_T, first_LT = selection.token_T(chunk), chunk.expert_LTK[:, :, 0]
        id_T = np.minimum(chunk.token_T.astype(np.int64), len(kinds.blank_V) - 1)
        whole_T = np.append(selection.pair_T(chunk), False)
        next_T = np.append(id_T[1:], len(kinds.blank_V) - 1)
        within_T = whole_T & kinds.ends_V[id_T] & kinds.begins_V[next_T]
        between_T = whole_T & kinds.ends_V[id_T] & kinds.new_word_V[next_T]
        after_LT = np.roll(first_LT, -1, axis=1)
        same_LT = first_LT == after_LT
        above_TX = np.concatenate([same_LT & within_T, same_LT & between_T]).T
        below_T2 = np.stack([within_T, between_T], axis=1)
        below_S2 = by_document(below_T2, chunk.start_S1)
        self.pairs.add(group, by_document(above_TX, chunk.start_S1), np.repeat(below_S2, self._shape[0], axis=1))
        indents_T = keep_T & kinds.indents_T(id_T, chunk.start_S1)
        self.indent.add(group, self._used_SX(first_LT, chunk, indents_T))
        self.used.add(group, self._used_SX(first_LT, chunk, keep_T).sum(axis=0, keepdims=True))
        sides_22LE = self._sides.setdefault(group, np.zeros((2, 2, *self._shape), np.int64))
        for kind, pair_T in enumerate((within_T, between_T)):
            for side, each_LT in enumerate((first_LT, after_LT)):
                for layer, each_T in enumerate(each_LT):
                    sides_22LE[kind, side, layer] += np.bincount(each_T[pair_T], minlength=self._shape[1])

    def rows(self, domain: str, layers: tuple[int, ...], intervals: Intervals | None) -> list[Row]:
        """The rows of a domain."""
        num_experts = self._shape[1]
        keys: list[dict[str, Any]] = [
            {"layer": layer, "measure": measure} for measure in ("within-words", "between-words") for layer in layers
        ]
        sides_22LE = self._sides[domain].astype(np.float64)
        share_22LE = ratio(sides_22LE, sides_22LE.sum(axis=-1, keepdims=True) + np.zeros(num_experts))
        chance = (share_22LE[:, 0] * share_22LE[:, 1]).sum(axis=-1).reshape(-1).tolist()
        uniform = [nulls.first(num_experts)] * len(keys)
        rows = self.pairs.rows(
            domain, keys, intervals=intervals, nulls={"null_uniform": uniform, "null_marginal": chance}
        )
        n_LE = self.indent.of(domain).sum(axis=0).reshape(self._shape)
        used_LE = self.used.of(domain).sum(axis=0).reshape(self._shape)
        value_L = _agreeing(n_LE.reshape(1, -1).astype(np.float64), self._shape)[0]
        ends = interval_of(self.indent, domain, intervals, lambda sums_RX: _agreeing(sums_RX, self._shape))
        for place, layer in enumerate(layers):
            n = int(n_LE[place].sum())
            rows.append(
                row(
                    domain=name_of(domain),
                    layer=layer,
                    measure="indentation",
                    value=float(value_L[place]),
                    n=n if n > 1 else 0,
                    null_uniform=nulls.first(num_experts),
                    null_marginal=nulls.first_marginal(used_LE[place]),
                    interval=None if ends is None else (float(ends[0, place]), float(ends[1, place])),
                )
            )
        return rows

    def _used_SX(
        self, first_LT: Integer[np.ndarray, "L T"], chunk: Chunk, kept_T: Bool[np.ndarray, "T"]
    ) -> Int64[np.ndarray, "S X"]:
        num_layers, num_experts = self._shape
        num_documents, place_T = len(chunk.document_S), chunk.place_T[kept_T]
        found_SLE = np.zeros((num_documents, *self._shape), np.int64)
        for layer in range(num_layers):
            cell_T = place_T * num_experts + first_LT[layer, kept_T]
            found_SLE[:, layer] = np.bincount(cell_T, minlength=num_documents * num_experts).reshape(-1, num_experts)
        return found_SLE.reshape(num_documents, -1)


def _agreeing(sums_RX: Float64[np.ndarray, "R X"], shape: tuple[int, int]) -> Float64[np.ndarray, "R L"]:
    n_RLE = sums_RX.reshape(-1, *shape)
    n_RL = n_RLE.sum(axis=-1)
    return ratio((n_RLE * (n_RLE - 1)).sum(axis=-1), n_RL * (n_RL - 1))
