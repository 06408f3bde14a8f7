"""Selection: which tokens of a trace, and which pairs of tokens, a statistic counts.

A row that nobody knows the routing of never counts. The beginning-of-text token and other control tokens, and pairs
with one of them, or of tokens of two documents, count only where the selection says so.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from octavo.analysis.chunk import Chunk, Flag, Phase
from octavo.analysis.joining import by_domain
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.source import TraceSource
from octavo.errors import TraceError


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """What counts; the default is what the definitions of all statistics take for granted.

    ``bos`` and ``special`` let in the beginning-of-text token and the other control tokens, ``across_documents`` pairs
    of which each token stands in a document of its own (as if a domain's documents were one text). ``phase`` keeps only
    tokens that were given or only those that were written. ``domains`` and ``layers`` (the model's own numbers) narrow
    the trace; None is all.
    """

    bos: bool = False
    special: bool = False
    across_documents: bool = False
    phase: Phase | None = None
    domains: tuple[str, ...] | None = None
    layers: tuple[int, ...] | None = None

    def domains_of(self, source: TraceSource) -> tuple[str, ...]:
        """The domains of ``source`` that count; raises TraceError for one that it does not have, or where none is."""
        return self.domains_among(source.domains)

    def domains_among(self, have: tuple[str, ...]) -> tuple[str, ...]:
        """Those of the domains that count; raises TraceError for one that is not among them, or where none is."""
        for domain in self.domains or ():
            if domain not in have:
                raise TraceError(f"no domain {domain!r} in this trace: it has {', '.join(have) or 'none'}")
        if not have:
            raise TraceError("a trace without domains: nothing was recorded; trace some text first")
        return have if self.domains is None else tuple(sorted(set(self.domains)))

    def layers_of(self, manifest: TraceManifest) -> tuple[int, ...]:
        """The layers that count, by the model's own numbers, rising; raises TraceError for one without experts."""
        for layer in self.layers or ():
            if layer not in manifest.layers:
                have = ", ".join(map(str, manifest.layers))
                raise TraceError(f"no routing of layer {layer} in this trace: it has the layers {have}")
        return manifest.layers if self.layers is None else tuple(sorted(set(self.layers)))

    def chunks(
        self,
        source: TraceSource,
        *,
        weights: bool = False,
        logits: bool = False,
        nll: bool = False,
        predictions: bool = False,
    ) -> Iterator[Chunk]:
        """Yields the chunks of the domains and layers that count, with the columns asked for.

        Where pairs across documents count, each domain is one chunk, whatever memory that takes.
        """
        chunks = source.chunks(
            domains=self.domains_of(source),
            layers=self.layers_of(source.manifest),
            weights=weights,
            logits=logits,
            nll=nll,
            predictions=predictions,
        )
        yield from by_domain(chunks) if self.across_documents else chunks

    def token_T(self, chunk: Chunk) -> Bool[np.ndarray, "T"]:
        """Whether each token counts."""
        out = Flag.MISSING if self.special else Flag.MISSING | Flag.SPECIAL
        keep_T = (chunk.flag_T & out) == 0
        bos_T = (chunk.flag_T & (Flag.BOS | Flag.MISSING)) == Flag.BOS
        keep_T = (keep_T | bos_T) if self.bos else (keep_T & ~bos_T)
        if self.phase is not None:
            keep_T &= chunk.phase_T == self.phase
        return np.asarray(keep_T)

    def pair_T(self, chunk: Chunk, lag: int = 1) -> Bool[np.ndarray, "P"]:
        """Whether rows t and t + ``lag`` make a pair that counts: one answer for each of the first T − lag rows.

        Of one document they are ``lag`` positions apart: where rows were lost in between, there is no pair.
        """
        if lag < 1:
            raise TraceError(f"a lag of {lag} tokens: want 1 or more")
        keep_T = self.token_T(chunk)
        pair_T = keep_T[:-lag] & keep_T[lag:]
        place_T, position_T = chunk.place_T, chunk.position_T.astype(np.int64)
        same_T = place_T[lag:] == place_T[:-lag]
        near_T = same_T & (position_T[lag:] - position_T[:-lag] == lag)
        return np.asarray(pair_T & ((near_T | ~same_T) if self.across_documents else near_T))
