"""CountsWriter: counts documents as they come, and keeps the counts on the disk: a TraceWriter that keeps no rows."""

import time
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from octavo.analysis.accumulators.contents import Contents
from octavo.analysis.accumulators.folder import load_shard, numbers_of, save, shards
from octavo.analysis.accumulators.tables import Accumulators
from octavo.analysis.chunk import Chunk
from octavo.analysis.manifest import TraceManifest
from octavo.analysis.selection import Selection
from octavo.analysis.store.claim import Claim
from octavo.analysis.store.document import DocumentRoutes
from octavo.errors import TraceError

CHUNK = 32768  # tokens of one domain that are counted together; a chunk costs as much as some thousand tokens


class CountsWriter:
    """Counts one process's share of a text into ``folder``, which it makes where it is not there.

    A folder with counts is counted on: ``has`` knows the documents of all processes. Each document needs a number that
    is the same whichever process reads it. What was added is on the disk at most ``flush_seconds`` later, if documents
    keep coming, and on leaving. ``contents`` and ``selection`` must be those that the folder was begun with.

    Raises TraceError where the folder holds something else, where another process writes under the same rank, and where
    the disk fails: what was written until then stays readable, and the same run goes on from there.
    """

    def __init__(
        self,
        folder: str | Path,
        manifest: TraceManifest,
        *,
        contents: Contents | None = None,
        selection: Selection | None = None,
        rank: int = 0,
        flush_seconds: float = 30.0,
    ) -> None:
        self.folder, self.rank = Path(folder), rank
        self.manifest = replace(manifest, statistics_only=True)
        self._flush_seconds, self._flushed = flush_seconds, time.monotonic()
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TraceError(f"{self.folder} cannot be made ({error.strerror}): give a folder that can be") from None
        self.manifest.write(self.folder)
        self._claim = Claim.take(self.folder, rank)
        try:
            wanted = Accumulators(
                manifest=self.manifest, contents=contents or Contents(), selection=selection or Selection()
            )
            self.counts = load_shard(self.folder, rank) if rank in shards(self.folder) else wanted
            for name in ("contents", "selection"):
                if (have := getattr(self.counts, name)) != (want := getattr(wanted, name)):
                    raise TraceError(f"{self.folder} was begun with {name} {have}, not {want}: ask for the same again")
            self._done = numbers_of(self.folder)
        except BaseException:
            self._claim.release()
            raise
        self._waiting: dict[str, list[DocumentRoutes]] = {}

    def has(self, domain: str, number: int) -> bool:
        """Whether a document was counted, by this process or another that wrote before this one began."""
        return number in self._done.get(domain, ())

    def add(self, document: DocumentRoutes) -> None:
        """Counts a document. Raises TraceError for one without a number, one that was counted, or a full disk."""
        if document.document is None:
            raise TraceError(f"{document.named} has no number: counts know a document by nothing else")
        if self.has(document.domain, document.document):
            raise TraceError(f"{document.named} was counted before: leave it out, as 'has' says")
        waiting = self._waiting.setdefault(document.domain, [])
        waiting.append(document)
        self._done.setdefault(document.domain, set()).add(document.document)
        if sum(each.num_tokens for each in waiting) >= CHUNK:
            self._count(document.domain)
        if time.monotonic() - self._flushed > self._flush_seconds:
            self.flush()

    def flush(self) -> None:
        """Puts on the disk what is only in memory."""
        for domain in list(self._waiting):
            self._count(domain)
        save(self.counts, self.folder, rank=self.rank)
        self._flushed = time.monotonic()

    def _count(self, domain: str) -> None:
        if waiting := self._waiting.pop(domain, []):
            self.counts.add(chunk_of(waiting, self.manifest))

    def __enter__(self) -> "CountsWriter":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Writes what is left, also where something else failed; that failure is the one that is raised."""
        try:
            self.flush()
        except TraceError:
            if error is None:
                self._claim.release()
                raise
        if error is None:
            self._claim.fulfil()
        else:
            self._claim.release()


def chunk_of(documents: list[DocumentRoutes], manifest: TraceManifest) -> Chunk:
    """Documents of one domain as a chunk; raises TraceError for ids out of range, or a column that is not there."""
    coding = manifest.coding
    expert_TLK = np.concatenate([each.expert_TLK for each in documents])
    if expert_TLK.shape[1:] != (len(manifest.layers), coding.k):
        raise TraceError(f"routes of shape {expert_TLK.shape}: want [tokens, {len(manifest.layers)}, {coding.k}]")
    if expert_TLK.min() < 0 or expert_TLK.max() >= coding.num_experts:
        raise TraceError(f"an expert of number {expert_TLK.max()}: want from 0 to {coding.num_experts - 1}")
    expert_LTK = np.ascontiguousarray(expert_TLK.swapaxes(0, 1)).astype(coding.id_dtype)

    def column(name: str, dtype: Any, *, wanted: bool = True, filled: Any = None) -> Any:
        if not wanted:
            return None
        arrays = [getattr(each, name) for each in documents]
        if filled is not None:
            arrays = [filled(each) if array is None else array for each, array in zip(documents, arrays, strict=True)]
        if any(array is None for array in arrays):
            raise TraceError(f"{documents[0].named} and others: {name} is not in all of them, as the manifest promises")
        return np.concatenate(arrays).astype(dtype)

    weight_TLK = column("weight_TLK", np.float32, wanted=manifest.has_weights)
    logits_TLE = column("logits_TLE", np.float32, wanted=manifest.has_logits)
    return Chunk(
        domain=documents[0].domain,
        document_S=np.array([each.document for each in documents], np.uint32),
        start_S1=np.cumsum([0, *(each.num_tokens for each in documents)]),
        position_T=column("position_T", np.uint32, filled=lambda each: np.arange(each.num_tokens)),
        phase_T=column("phase_T", np.uint8, filled=lambda each: np.zeros(each.num_tokens)),
        flag_T=column("flag_T", np.uint16, filled=lambda each: np.zeros(each.num_tokens)),
        expert_LTK=expert_LTK,
        code_LT=coding.encode(expert_LTK) if coding.fits_a_byte else None,
        token_T=column("token_T", np.uint32, wanted=manifest.has_tokens),
        weight_LTK=None if weight_TLK is None else weight_TLK.swapaxes(0, 1),
        logits_LTE=None if logits_TLE is None else logits_TLE.swapaxes(0, 1),
    )
