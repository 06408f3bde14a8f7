"""TraceSource: what a statistic reads, whether the rows stand on a disk or in memory."""

from collections.abc import Iterator, Sequence
from typing import Protocol, runtime_checkable

from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest


@runtime_checkable
class TraceSource(Protocol):
    """The rows of a trace, whole documents at a time, domain by domain; RouteTrace and traces in memory are such.

    ``layers`` are the model's own numbers, as in the manifest; the layers of a chunk stand in their order.
    """

    @property
    def manifest(self) -> TraceManifest:
        """What the trace says of itself."""

    @property
    def domains(self) -> tuple[str, ...]:
        """The names of all domains, sorted."""

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
        """Yields whole documents, domain by domain and in order, with the columns that were asked for."""
