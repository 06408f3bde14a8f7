"""Sample: the first documents of each domain, held in memory, for what a report shows of single tokens.

It reads like a trace, so that statistics which need rows can be taken on it where the whole would take too long.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.source import TraceSource

MOST = 100_000  # tokens in all


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One chunk of each domain, with all layers and whatever else the trace has but logits; a TraceSource."""

    manifest: TraceManifest
    held: Mapping[str, Chunk]
    pieces: Mapping[int, bytes]

    def vocabulary(self) -> dict[int, bytes]:
        """The UTF-8 bytes that each token id stands for; empty where the trace has no vocabulary."""
        return dict(self.pieces)

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of all domains, sorted."""
        return tuple(sorted(self.held))

    @property
    def num_tokens(self) -> int:
        """The rows of all documents held."""
        return sum(chunk.num_tokens for chunk in self.held.values())

    def chunks(
        self,
        *,
        domains: Sequence[str] | None = None,
        layers: Sequence[int] | None = None,
        weights: bool = False,
        logits: bool = False,
        nll: bool = False,
        predictions: bool = False,
        max_tokens: int = 131072,
    ) -> Iterator[Chunk]:
        """Yields the chunk of each domain, with the layers and columns that were asked for; never split."""
        del max_tokens
        places = None if layers is None else [self.manifest.layers.index(layer) for layer in layers]
        for domain in self.domains if domains is None else domains:
            yield _narrowed(
                self.held[domain],
                places,
                weight_LTK=weights,
                logits_LTE=logits,
                nll_T=nll,
                prediction_T=predictions,
            )


def draw_sample(source: TraceSource, pieces: Mapping[int, bytes], *, max_tokens: int = MOST) -> Sample:
    """Reads the first documents of each domain, about ``max_tokens`` in all and one document of each at least.

    ``pieces`` gives the bytes of token ids.
    """
    manifest, held = source.manifest, {}
    room = max(1, max_tokens // max(1, len(source.domains)))
    for domain in source.domains:
        found = source.chunks(
            domains=[domain],
            weights=manifest.has_weights,
            nll=manifest.has_nll,
            predictions=manifest.has_predictions,
            max_tokens=room,
        )
        first = next(iter(found), None)
        if first is not None:
            held[domain] = first
    without_logits = replace(manifest, has_logits=False, logits_step=None)
    return Sample(manifest=without_logits, held=held, pieces=pieces)


def _narrowed(chunk: Chunk, places: Sequence[int] | None, **wanted: bool) -> Chunk:
    """The chunk with some layers, and without the columns that are not wanted."""
    fields: dict[str, Any] = {name: None for name, asked in wanted.items() if not asked}
    if places is None or list(places) == list(range(len(chunk.expert_LTK))):
        return replace(chunk, **fields)
    chosen = np.asarray(places)
    for name in ("expert_LTK", "code_LT", "weight_LTK", "logits_LTE"):
        array = getattr(chunk, name)
        if name not in fields and array is not None:
            fields[name] = array[chosen]
    return replace(chunk, **fields)
